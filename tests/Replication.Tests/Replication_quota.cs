using Microsoft.Extensions.Time.Testing;
using Milena.Metadata.Image;
using Milena.Metadata.Settings;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Replication.Tests;

/// <summary>How much goes within a limit, and for which replicas there is one (KIP-73).</summary>
public sealed class Replication_quota
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_quota_is_exceeded_until_time_has_brought_the_rate_down()
    {
        var quota = new ReplicationQuota(_time, windows: 11, window: Second) { BytesPerSecond = 100 };
        quota.Record(100);
        Assert.False(quota.IsExceeded);
        quota.Record(400);
        Assert.True(quota.IsExceeded);
        _time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.True(quota.IsExceeded);
        _time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.False(quota.IsExceeded);
    }

    [Fact]
    public void What_nobody_sent_before_the_first_bytes_is_no_credit()
    {
        var quota = new ReplicationQuota(_time, windows: 11, window: Second) { BytesPerSecond = 100 };
        _time.Advance(TimeSpan.FromSeconds(10));
        quota.Record(400);
        Assert.True(quota.IsExceeded);
    }

    [Fact]
    public void What_was_sent_before_the_windows_counts_no_more()
    {
        var quota = new ReplicationQuota(_time, windows: 3, window: Second) { BytesPerSecond = 100 };
        quota.Record(100_000);
        _time.Advance(Second);
        quota.Record(50);
        _time.Advance(TimeSpan.FromSeconds(1.5));
        Assert.True(quota.IsExceeded);
        _time.Advance(Second);
        Assert.False(quota.IsExceeded);
        quota.Record(1_000);
        Assert.True(quota.IsExceeded);
        quota.BytesPerSecond = ReplicationQuota.Unlimited;
        Assert.False(quota.IsExceeded);
    }

    /// <summary>Whatever was sent when: a millisecond before the end of the pause the quota is exceeded, and at its end it is not.</summary>
    [Theory]
    [InlineData(100, new[] { 500 }, 5000)]
    [InlineData(100, new[] { 100, 0, 0, 700 }, 5000)]
    [InlineData(100, new[] { 100_000 }, 11_000)]
    [InlineData(100, new[] { 0, 0, 0, 100_000 }, 11_000)]
    // The first window, and with it most of what was sent, is gone before the rate falls; the second one is not.
    [InlineData(100, new[] { 5000, 900 }, 10_000)]
    [InlineData(7, new[] { 100 }, 11_000)]
    [InlineData(0, new[] { 1, 1 }, 11_000)]
    [InlineData(100, new[] { 50, 50 }, 0)]
    [InlineData(3, new[] { 10 }, 3334)]
    public void The_pause_ends_when_the_limit_allows_more(int bytesPerSecond, int[] sentInEachSecond, int expectedMs)
    {
        var quota = new ReplicationQuota(_time, windows: 11, window: Second) { BytesPerSecond = bytesPerSecond };
        for (var second = 0; second < sentInEachSecond.Length; second++)
        {
            _time.Advance(second == 0 ? TimeSpan.Zero : Second);
            quota.Record(sentInEachSecond[second]);
        }

        var pause = quota.Pause;
        Assert.Equal(expectedMs, pause.TotalMilliseconds);
        if (pause > TimeSpan.Zero)
        {
            _time.Advance(pause - TimeSpan.FromMilliseconds(1));
            Assert.True(quota.IsExceeded);
            _time.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.False(quota.IsExceeded);
    }

    [Fact]
    public void Who_sends_as_often_as_it_may_keeps_the_limit_but_for_what_is_sent_at_once()
    {
        const int atOnce = 3_000;
        const int limit = 1_000;
        var quota = new ReplicationQuota(_time, windows: 11, window: Second) { BytesPerSecond = limit };
        var (sent, passed) = (0L, TimeSpan.Zero);
        for (var piece = 0; piece < 100; piece++)
        {
            passed += quota.Pause;
            _time.Advance(quota.Pause);
            quota.Record(atOnce);
            sent += atOnce;
            Assert.InRange(sent, passed.TotalSeconds * limit, (passed.TotalSeconds * limit) + atOnce + limit);
        }
    }

    [Theory]
    [InlineData("*", "0,1,2")]
    [InlineData("0:2,*", "0,1,2")]
    [InlineData("0:1,2:1,1:2", "0,2")]
    [InlineData("0:2", "")]
    [InlineData("", "")]
    [InlineData(null, "")]
    public void A_topic_says_which_replicas_are_throttled_and_on_which_brokers(string? setting, string expected)
    {
        var delta = new MetadataDelta(MetadataImage.Empty);
        delta.Replay(new ConfigRecord { ResourceType = (sbyte)ConfigResourceType.Topic, ResourceName = "orders", Name = "leader.replication.throttled.replicas", Value = setting });
        var throttle = ReplicationThrottle.Leading(1, new ReplicationQuota(_time, 11, Second));
        throttle.Follow(delta.Apply(1, 1), new ConfigResolver(StaticSettings.Defaults, 1));
        Assert.Equal(expected, string.Join(',', Enumerable.Range(0, 3).Where(index => throttle.Counts(new TopicPartition("orders", index)))));
        Assert.False(throttle.Counts(new TopicPartition("payments", 0)));
        Assert.Equal(ReplicationQuota.Unlimited, throttle.Quota.BytesPerSecond);
    }
}
