namespace Milena.Repository.Tests;

/// <summary>build.ps1 in a folder of its own, for what must not happen to the working copy.</summary>
internal sealed class ScriptCopy : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("milena-script-");

    public ScriptCopy()
    {
        Directory.CreateDirectory(PathOf("src"));
        Directory.CreateDirectory(PathOf("tests"));
        File.Copy(BuildScript.File, Script);
    }

    public string Script => PathOf("build.ps1");

    public void AddFile(string path) => AddFile(path, "");

    public void AddFile(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathOf(path))!);
        File.WriteAllText(PathOf(path), text);
    }

    public bool Has(string path) => File.Exists(PathOf(path));

    public void Dispose() => _folder.Delete(recursive: true);

    private string PathOf(string path) => Path.Combine(_folder.FullName, path);
}
