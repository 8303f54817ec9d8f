using Milena.Protocol;

namespace Milena.Differential.Tests;

public sealed class DifferentialTests(Peers peers) : IClassFixture<Peers>
{
    /// <summary>Kafka closes the connection upon version 6 unless it is told to serve unstable ones.</summary>
    private const short HighestStableInitProducerId = 5;

    public static TheoryData<string, short> Cases
    {
        get
        {
            var cases = new TheoryData<string, short>();
            foreach (var scenario in Scenarios.All)
            {
                var api = ApiCatalog.Find((short)scenario.Key)!;
                for (var version = api.MinVersion; version <= (scenario.Key == ApiKey.InitProducerId ? HighestStableInitProducerId : api.MaxVersion); version++)
                {
                    cases.Add(scenario.Name, version);
                }
            }

            return cases;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Both_answer_alike(string name, short version)
    {
        var scenario = Scenarios.All.Single(one => one.Name == name);
        peers.Compare(name, scenario.Key, version, scenario.Steps(version));
    }
}
