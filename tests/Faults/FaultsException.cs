namespace Milena.Faults;

/// <summary>Why nothing was tried: bad arguments, or a machine that cannot do what was asked for. One line for the user.</summary>
public sealed class FaultsException(string message) : Exception(message)
{
    public const int ExitCode = 2;
}
