namespace Milena.Benchmarks;

/// <summary>The topic that sample messages speak of.</summary>
internal static class SampleTopic
{
    public const string Name = "orders.created";

    public static readonly Guid Id = new("5b0e1c2d-3f4a-4b5c-8d6e-7f8091a2b3c4");
}
