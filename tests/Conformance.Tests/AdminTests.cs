using Milena.Model;
using Milena.Protocol;
using Milena.Testing;

namespace Milena.Conformance.Tests;

public sealed class AdminTests
{
    [SkippableFact]
    public void Confluents_python_client_creates_grows_configures_and_deletes_a_topic()
    {
        using var node = new NodeProcess().Start();
        var output = Clients.Python(
            """
            import sys
            from confluent_kafka import Producer, Consumer, TopicPartition
            from confluent_kafka.admin import AdminClient, NewTopic, NewPartitions, ConfigResource
            admin = AdminClient({'bootstrap.servers': sys.argv[1]})
            wait = lambda futures: [future.result(20) for future in futures.values()]
            wait(admin.create_topics([NewTopic('made', 2, 1, config={'retention.ms': '1000000'})]))
            wait(admin.create_partitions([NewPartitions('made', 5)]))
            print(len(admin.list_topics('made', timeout=10).topics['made'].partitions))
            config = wait(admin.describe_configs([ConfigResource('topic', 'made')]))[0]
            print(config['retention.ms'].value, config['retention.ms'].source, config['segment.bytes'].value, config['segment.bytes'].is_default)
            try: wait(admin.create_topics([NewTopic('made', 1, 1)]))
            except Exception as e: print(e.args[0].name())
            try: wait(admin.create_topics([NewTopic('bad/name', 1, 1)]))
            except Exception as e: print(e.args[0].name())
            try: wait(admin.create_topics([NewTopic('wide', 1, 3)]))
            except Exception as e: print(e.args[0].name())
            try: wait(admin.create_topics([NewTopic('odd', 1, 1, config={'no.such': '1'})]))
            except Exception as e: print(e.args[0].name())
            wait(admin.delete_topics(['made']))
            print('made' in admin.list_topics(timeout=10).topics)
            """,
            node.Address);
        Assert.Equal(
            "5\n1000000 1 1073741824 True\nTOPIC_ALREADY_EXISTS\nTOPIC_EXCEPTION\nINVALID_REPLICATION_FACTOR\nINVALID_CONFIG\nFalse\n", output);
    }

    [Fact]
    public void Confluents_dotnet_client_lists_all_topics()
    {
        using var node = new NodeProcess().Start();
        using (var client = new WireClient("127.0.0.1", node.Port))
        {
            client.Ask(ApiKey.CreateTopics, 7, new CreateTopicsRequest
            {
                TimeoutMs = 10_000,
                Topics = [new() { Name = "listed", NumPartitions = 3, ReplicationFactor = 1 }],
            });
        }

        Assert.Equal(["listed\t3"], ClientPrograms.Run("confluent-dotnet", "list", node.Address));
    }

    [SkippableFact]
    public void A_client_that_sends_rubbish_loses_its_connection_and_nobody_else_does()
    {
        using var node = new NodeProcess().Start();
        var random = new Random(7);
        for (var round = 0; round < 50; round++)
        {
            using var hostile = new System.Net.Sockets.TcpClient("127.0.0.1", node.Port);
            var bytes = new byte[random.Next(4, 400)];
            random.NextBytes(bytes);
            bytes[0] = (byte)(round % 2 == 0 ? 0x7F : 0);
            bytes[1] = 0;
            var stream = hostile.GetStream();
            stream.ReadTimeout = 10_000;
            stream.Write(bytes);
            HangUp(hostile);
            Assert.True(IsClosed(stream), $"round {round}: the connection is still open");
        }

        Clients.Kcat("still here\n"u8.ToArray(), "-b", node.Address, "-t", "after", "-P");
        Assert.Equal("still here\n", Clients.Kcat(null, "-b", node.Address, "-t", "after", "-C", "-e", "-q"));
    }

    [Fact]
    public void A_taken_port_a_taken_directory_and_an_unknown_setting_are_told_in_one_line()
    {
        using var node = new NodeProcess().Start();
        AssertOneLine("Cannot listen on", "--data", Path.Combine(node.Data, "other"), "--listen", node.Address, "--cluster-listen", "127.0.0.1:0");
        AssertOneLine("in use by another process", "--data", node.Data, "--listen", "127.0.0.1:0", "--cluster-listen", "127.0.0.1:0");
        AssertOneLine("The nearest known one is 'log.retention.ms'", "--set", "log.retentoin.ms=5");
        AssertOneLine("Unknown option '--what'", "--what");
    }

    [Fact]
    public void A_node_leaves_nothing_in_the_folder_where_it_is_started()
    {
        var folder = Directory.CreateTempSubdirectory("milena-started-in-");
        try
        {
            using var node = new NodeProcess { WorkingDirectory = folder.FullName }.Start();
            using (var client = new WireClient("127.0.0.1", node.Port))
            {
                client.Ask(ApiKey.CreateTopics, 7, new CreateTopicsRequest
                {
                    TimeoutMs = 10_000,
                    Topics = [new() { Name = "made", NumPartitions = 2, ReplicationFactor = 1 }],
                });
            }

            node.Stop();
            Assert.Empty(folder.EnumerateFileSystemInfos());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Elections_and_departures_are_asked_of_the_controller()
    {
        using var node = new NodeProcess().Start();
        using var client = new WireClient("127.0.0.1", node.Port);
        client.Ask(ApiKey.CreateTopics, 7, new CreateTopicsRequest
        {
            TimeoutMs = 10_000,
            Topics = [new() { Name = "led", NumPartitions = 1, ReplicationFactor = 1 }],
        });
        var elected = client.Ask(ApiKey.ElectLeaders, 2, new ElectLeadersRequest { TopicPartitions = [new() { Topic = "led", Partitions = [0, 1] }] });
        var results = Assert.Single(Assert.IsType<ElectLeadersResponse>(elected).ReplicaElectionResults).PartitionResult;
        Assert.Equal([ErrorCode.ElectionNotNeeded, ErrorCode.UnknownTopicOrPartition], results.Select(result => result.ErrorCode));
        var left = client.Ask(ApiKey.UnregisterBroker, 0, new UnregisterBrokerRequest { BrokerId = 7 });
        Assert.Equal(ErrorCode.BrokerIdNotRegistered, Assert.IsType<UnregisterBrokerResponse>(left).ErrorCode);
    }

    [Fact]
    public void A_name_as_long_as_a_string_may_be_is_refused_and_the_connection_stays()
    {
        using var node = new NodeProcess().Start();
        using var client = new WireClient("127.0.0.1", node.Port);
        var name = new string('x', short.MaxValue);
        var created = client.Ask(ApiKey.CreateTopics, 7, new CreateTopicsRequest
        {
            TimeoutMs = 10_000,
            Topics = [new() { Name = name, NumPartitions = 1, ReplicationFactor = 1 }],
        });
        Assert.Equal(ErrorCode.InvalidTopicException, Assert.Single(Assert.IsType<CreateTopicsResponse>(created).Topics).ErrorCode);
        var altered = client.Ask(ApiKey.IncrementalAlterConfigs, 1, new IncrementalAlterConfigsRequest
        {
            Resources = [new() { ResourceType = 2, ResourceName = name, Configs = [new() { Name = name, Value = name }] }],
        });
        Assert.NotEqual(ErrorCode.None, Assert.Single(Assert.IsType<IncrementalAlterConfigsResponse>(altered).Responses).ErrorCode);
    }

    /// <summary>Says that no more will come, unless the node has closed the connection already.</summary>
    private static void HangUp(System.Net.Sockets.TcpClient client)
    {
        try
        {
            client.Client.Shutdown(System.Net.Sockets.SocketShutdown.Send);
        }
        catch (System.Net.Sockets.SocketException e)
        {
            Assert.Equal(System.Net.Sockets.SocketError.NotConnected, e.SocketErrorCode);
        }
    }

    /// <summary>Closed in order, or reset because bytes were left unread: both are an end.</summary>
    private static bool IsClosed(System.Net.Sockets.NetworkStream stream)
    {
        try
        {
            return stream.Read(new byte[100]) == 0;
        }
        catch (IOException e) when (e.InnerException is System.Net.Sockets.SocketException { SocketErrorCode: not System.Net.Sockets.SocketError.TimedOut })
        {
            return true;
        }
    }

    private static void AssertOneLine(string expected, params string[] arguments)
    {
        var (exitCode, error) = NodeProcess.RunToFailure(arguments);
        Assert.Equal(2, exitCode);
        Assert.Contains(expected, error);
        Assert.Equal(1, error.Count(letter => letter == '\n'));
    }
}
