using System.Globalization;
using Milena.Faults.Nodes;

namespace Milena.Faults;

/// <summary>Asks each node again and again who leads what, and writes a line whenever a partition is not what that node said before.</summary>
internal sealed class ClusterWatch : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly RealCluster _cluster;
    private readonly string _topic;
    private readonly TextWriter _file;
    private readonly ManualResetEventSlim _stop = new();
    private readonly List<Thread> _threads;

    /// <param name="folder">Takes the file cluster.log.</param>
    public ClusterWatch(RealCluster cluster, string topic, string folder)
    {
        (_cluster, _topic) = (cluster, topic);
        _file = TextWriter.Synchronized(new StreamWriter(Path.Combine(folder, "cluster.log")) { AutoFlush = true });
        _threads = [.. cluster.Ids.Select(id => new Thread(() => Watch(id)) { IsBackground = true })];
        _threads.ForEach(thread => thread.Start());
    }

    public void Dispose()
    {
        _stop.Set();
        _threads.ForEach(thread => thread.Join());
        _stop.Dispose();
        _file.Dispose();
    }

    private void Watch(int id)
    {
        var before = Array.Empty<string>();
        while (!_stop.Wait(Interval))
        {
            var now = _cluster.StateAt(id, _topic).Leaders.Split("; ");
            foreach (var line in now.Except(before))
            {
                _file.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:HH:mm:ss.fff} node {id} says: {line}"));
            }

            before = now;
        }
    }
}
