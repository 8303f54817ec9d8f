namespace Milena.Model;

/// <summary>Texts that go with an error code and quote what the client sent, which may be as long as a string of the protocol can be.</summary>
public static class ErrorText
{
    /// <summary>Characters that an error text may have: in UTF-8 still short enough for a string of the protocol.</summary>
    public const int MaxLength = 4_000;

    private const string Ellipsis = "…";

    /// <returns>The text, its end replaced by an ellipsis where it is longer than <see cref="MaxLength"/>.</returns>
    [return: System.Diagnostics.CodeAnalysis.NotNullIfNotNull(nameof(text))]
    public static string? Clip(string? text)
    {
        if (text is null || text.Length <= MaxLength)
        {
            return text;
        }

        var kept = MaxLength - Ellipsis.Length;
        // Half a surrogate pair is no text.
        return string.Concat(text.AsSpan(0, char.IsHighSurrogate(text[kept - 1]) ? kept - 1 : kept), Ellipsis);
    }
}
