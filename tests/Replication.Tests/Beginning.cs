using Microsoft.Extensions.Time.Testing;

namespace Milena.Replication.Tests;

/// <summary>How many replicas begin at once.</summary>
public sealed class Beginning
{
    private const int Most = 2;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly Guid Topic = Guid.NewGuid();
    private readonly FakeTimeProvider _time = new();
    private readonly ReplicaBeginnings _beginnings;

    public Beginning() => _beginnings = new ReplicaBeginnings(Most, Patience, _time);

    [Fact]
    public void The_first_begin_at_once_and_the_others_in_turn_as_those_before_them_have_begun()
    {
        Assert.Equal([true, true, false, false], new[] { 0, 1, 2, 3 }.Select(index => _beginnings.MayBegin(Told(index))));
        Assert.Empty(_beginnings.Next());
        _beginnings.Begun(Told(1).Id);
        Assert.Equal([Told(2)], _beginnings.Next());
        _beginnings.Begun(Told(0).Id);
        _beginnings.Begun(Told(2).Id);
        Assert.Equal([Told(3)], _beginnings.Next());
    }

    [Fact]
    public void Who_waits_begins_as_what_it_was_told_last()
    {
        Fill();
        Assert.False(_beginnings.MayBegin(Told(2)));
        Assert.False(_beginnings.MayBegin(Told(2, "later")));
        _beginnings.Begun(Told(0).Id);
        Assert.Equal([Told(2, "later")], _beginnings.Next());
    }

    [Fact]
    public void Who_is_on_its_way_is_told_at_once()
    {
        Fill();
        Assert.True(_beginnings.MayBegin(Told(1, "later")));
    }

    [Fact]
    public void Who_is_withdrawn_does_not_begin_and_may_be_told_to_again()
    {
        Fill();
        _beginnings.MayBegin(Told(2));
        _beginnings.MayBegin(Told(3));
        _beginnings.Withdraw(Told(2).Id);
        _beginnings.MayBegin(Told(2, "again"));
        _beginnings.Begun(Told(0).Id);
        _beginnings.Begun(Told(1).Id);
        Assert.Equal([Told(2, "again"), Told(3)], _beginnings.Next().OrderBy(one => one.Id.Partition));
        Assert.Empty(_beginnings.Next());
    }

    [Fact]
    public void Who_never_begins_does_not_hold_up_the_others_for_ever()
    {
        Fill();
        _beginnings.MayBegin(Told(2));
        _time.Advance(Patience);
        Assert.Empty(_beginnings.Next());
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal([Told(2)], _beginnings.Next());
    }

    [Fact]
    public async Task A_topic_of_many_partitions_is_led_and_followed_in_all_of_them()
    {
        const int partitions = 100;
        await using var cluster = TestCluster.Start(partitions);
        foreach (var index in Enumerable.Range(0, partitions))
        {
            await cluster.SyncedAsync(new Model.TopicPartition(TestCluster.Topic, index));
        }

        Assert.All(cluster.Nodes.Values, node => Assert.Equal(partitions, node.Host.Directory.Count));
    }

    private static ReplicaSharding.Envelope Told(int partition, string what = "first") => new(new ReplicaId(Topic, partition, 1), what);

    private void Fill()
    {
        _beginnings.MayBegin(Told(0));
        _beginnings.MayBegin(Told(1));
    }
}
