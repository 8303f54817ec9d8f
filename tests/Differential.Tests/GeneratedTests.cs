namespace Milena.Differential.Tests;

public sealed class GeneratedTests(Peers peers) : IClassFixture<Peers>
{
    private const int Requests = 80;

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, Environment.GetEnvironmentVariable("PROFILE") == "nightly" ? 300 : 12)];

    [SkippableTheory]
    [MemberData(nameof(Seeds))]
    public void Both_answer_random_requests_alike(int seed)
    {
        var generated = new GeneratedRequests(seed);
        peers.Compare($"seed {seed}", generated.Prepare, Enumerable.Range(0, Requests).Select(_ => generated.Next()));
    }
}
