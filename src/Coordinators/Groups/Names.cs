using System.Text;

namespace Milena.Coordinators.Groups;

/// <summary>The bound on names that clients choose.</summary>
internal static class Names
{
    /// <summary>
    /// In UTF-8. Names are stored, and answered, as strings whose length has 15 bits, and a member id is a name with a uuid behind it; the
    /// compact strings of newer requests could be longer.
    /// </summary>
    public const int MaxBytes = 32_000;

    private const int MaxBytesOfChar = 3;

    public static bool IsTooLong(string? name) =>
        name is not null && name.Length > MaxBytes / MaxBytesOfChar && Encoding.UTF8.GetByteCount(name) > MaxBytes;
}
