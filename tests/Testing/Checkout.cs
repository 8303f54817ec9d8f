namespace Milena.Testing;

/// <summary>The working copy that the running tests were built in, for tests of the repository itself.</summary>
public static class Checkout
{
    private const string Solution = "Cluster.sln";

    public static string Root { get; } = FindRoot();

    /// <summary>Debug or Release, as the tests were built: what they start was built beside them.</summary>
    public static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, Solution)))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"No folder above {AppContext.BaseDirectory} holds {Solution}: these tests run where they were built.");
    }
}
