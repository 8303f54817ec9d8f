using Milena.Faults.Load;

namespace Milena.Faults.Tests;

/// <summary>A client that hangs by itself is not the cluster's fault, and one that the cluster does not answer is.</summary>
public sealed class Hanging_clients
{
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void One_that_has_all_ends()
    {
        using var consumer = new Scripted(at: 8);
        consumer.Start();
        Assert.Null(consumer.Finish([7], Patience, Patience));
        Assert.False(consumer.Hangs);
    }

    [Fact]
    public void One_that_hangs_when_it_has_all_needs_no_other_and_is_counted()
    {
        using var letGo = new ManualResetEventSlim();
        using var consumer = new Scripted(at: 8, letGo);
        consumer.Start();
        Assert.Null(consumer.Finish([7], Patience, Soon));
        Assert.True(consumer.Hangs);
        letGo.Set();
    }

    [Fact]
    public void One_that_hangs_is_followed_by_another_that_goes_on_from_where_it_was()
    {
        using var letGo = new ManualResetEventSlim();
        using var consumer = new Scripted(at: 5, letGo);
        consumer.Start();
        using var other = Assert.IsType<Scripted>(consumer.Finish([7], Soon, Soon));
        other.Start();
        Assert.Equal(5, other.At);
        letGo.Set();
    }

    [Fact]
    public void One_that_ends_and_does_not_have_all_is_told_as_such()
    {
        using var consumer = new Scripted(at: 5);
        consumer.Start();
        var told = Assert.Throws<TimeoutException>(() => consumer.Finish([7], Soon, Patience));
        Assert.Contains("at 5", told.Message);
    }

    /// <param name="letGo">Until then it does not end; null: it ends when it is told to.</param>
    private sealed class Scripted(long at, ManualResetEventSlim? letGo = null) : LoadConsumer("the reader")
    {
        public long At { get; } = at;

        protected override string Progress => $"{At}";

        protected override void Run() => letGo?.Wait();

        protected override bool HasAll(IReadOnlyList<long> last) => At > last[0];

        protected override LoadConsumer Successor() => new Scripted(At);
    }
}
