namespace Milena.Bench;

/// <summary>Why the program ends early, in one line for the user.</summary>
public sealed class BenchException(string message, int exitCode) : Exception(message)
{
    /// <summary>A measurement failed: records were lost or refused.</summary>
    public const int Failed = 1;

    /// <summary>Nothing was measured: the arguments are wrong, or no broker answers.</summary>
    public const int Unusable = 2;

    public int ExitCode { get; } = exitCode;
}
