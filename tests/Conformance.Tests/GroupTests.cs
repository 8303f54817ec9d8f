using System.Diagnostics;
using Milena.Testing;

namespace Milena.Conformance.Tests;

public sealed class GroupTests
{
    private const int Partitions = 6;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static TheoryData<string> Clients => [.. ClientPrograms.All];

    [SkippableTheory]
    [MemberData(nameof(Clients))]
    public async Task Three_members_share_a_topic_and_resume_from_what_they_committed_after_a_kill(string client)
    {
        using var node = StartNode();
        CreateTopic(node);
        var seen = new Collected();
        using (var first = new Member(client, node, "shared", seen))
        {
            Write(node, 300);
            await seen.WaitForAsync(300);
            using var second = new Member(client, node, "shared", seen);
            using var third = new Member(client, node, "shared", seen);
            Write(node, 300);
            await seen.WaitForAsync(600);
            await third.LeaveAsync();
            Write(node, 300);
            await seen.WaitForAsync(900);
            await second.LeaveAsync();
            await first.LeaveAsync();
        }

        node.Kill();
        node.Start("--set", "group.initial.rebalance.delay.ms=0");
        var later = new Collected();
        using var resumed = new Member(client, node, "shared", later);
        Write(node, 30);
        await later.WaitForAsync(30);
        await resumed.LeaveAsync();
        // Everything was committed by those who left, so nothing old comes again.
        Assert.Equal(30, later.Count);

        var others = new Collected();
        using var independent = new Member(client, node, "other", others);
        await others.WaitForAsync(930);
        await independent.LeaveAsync();
    }

    [SkippableFact]
    public void The_tools_of_a_group_list_describe_and_delete_it()
    {
        using var node = StartNode();
        Milena.Conformance.Tests.Clients.Kcat("a\nb\n"u8.ToArray(), "-b", node.Address, "-t", "listed", "-P");
        Milena.Conformance.Tests.Clients.Kcat(null, "-b", node.Address, "-G", "readers", "-q", "-c", "2", "-X", "auto.offset.reset=earliest", "listed");
        const string script = """
            import sys
            from kafka.admin import KafkaAdminClient
            admin = KafkaAdminClient(bootstrap_servers=sys.argv[1])
            print(admin.list_consumer_groups())
            described = admin.describe_consumer_groups(["readers"])[0]
            print(described.state, described.protocol_type)
            print({str(partition): meta.offset for partition, meta in admin.list_consumer_group_offsets("readers").items()})
            print(admin.delete_consumer_groups(["readers"])[0][1].__name__)
            print(admin.list_consumer_groups())
            """;
        var lines = Milena.Conformance.Tests.Clients.Python(script, node.Address).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("[('readers', 'consumer')]", lines[0]);
        Assert.Equal("Empty consumer", lines[1]);
        Assert.Equal("{\"TopicPartition(topic='listed', partition=0)\": 2}", lines[2]);
        Assert.Equal("NoError", lines[3]);
        Assert.Equal("[]", lines[4]);
    }

    private static NodeProcess StartNode() => new NodeProcess().Start("--set", "group.initial.rebalance.delay.ms=0");

    private static void CreateTopic(NodeProcess node) => Milena.Conformance.Tests.Clients.Python(
        "import sys\nfrom confluent_kafka.admin import *\n"
        + "admin = AdminClient({'bootstrap.servers': sys.argv[1]})\n"
        + "[done.result(30) for done in admin.create_topics([NewTopic('flow', int(sys.argv[2]), 1)]).values()]",
        node.Address,
        $"{Partitions}");

    private static void Write(NodeProcess node, int records)
    {
        var lines = string.Concat(Enumerable.Range(0, records).Select(i => $"k{i}|v{i}\n"));
        Milena.Conformance.Tests.Clients.Kcat(System.Text.Encoding.ASCII.GetBytes(lines), "-b", node.Address, "-t", "flow", "-P", "-K", "|");
    }

    /// <summary>The places that the members of a group have seen, each counted once however often it was delivered.</summary>
    private sealed class Collected
    {
        private readonly HashSet<string> _places = [];
        private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Count
        {
            get
            {
                lock (_places)
                {
                    return _places.Count;
                }
            }
        }

        public void Add(string place)
        {
            lock (_places)
            {
                _places.Add(place);
                _changed.TrySetResult();
                _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }

        public async Task WaitForAsync(int count)
        {
            var waited = Stopwatch.StartNew();
            while (true)
            {
                Task changed;
                lock (_places)
                {
                    if (_places.Count >= count)
                    {
                        return;
                    }

                    changed = _changed.Task;
                }

                var left = Patience - waited.Elapsed;
                Assert.True(left > TimeSpan.Zero, $"only {Count} of {count} records were seen");
                await Task.WhenAny(changed, Task.Delay(left));
            }
        }
    }

    /// <summary>A client program in a group.</summary>
    private sealed class Member : IDisposable
    {
        private readonly Process _process;
        private readonly Task _reading;

        public Member(string client, NodeProcess node, string group, Collected seen)
        {
            _process = ClientPrograms.Start(client, "group", node.Address, "flow", group);
            _reading = ReadAsync(seen);
        }

        public async Task LeaveAsync()
        {
            _process.StandardInput.Close();
            await _process.WaitForExitAsync().WaitAsync(Patience);
            await _reading.WaitAsync(Patience);
            Assert.Equal(0, _process.ExitCode);
        }

        public void Dispose()
        {
            if (!_process.HasExited)
            {
                _process.Kill();
            }

            _process.Dispose();
        }

        private async Task ReadAsync(Collected seen)
        {
            while (await _process.StandardOutput.ReadLineAsync() is { } line)
            {
                seen.Add(line);
            }
        }
    }
}
