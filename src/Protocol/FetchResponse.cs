namespace Milena.Protocol;

/// <summary>Holds the segments that its records lie in until it has been sent.</summary>
public sealed partial class FetchResponse : IDisposable
{
    public void Dispose()
    {
        foreach (var topic in Responses)
        {
            foreach (var partition in topic.Partitions)
            {
                partition.Records.Dispose();
            }
        }
    }
}
