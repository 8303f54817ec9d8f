using System.Buffers.Text;

namespace Milena.Model;

/// <summary>Kafka writes a UUID as the URL-safe base64 of its 16 big-endian bytes, without padding.</summary>
public static class Uuid
{
    private const int Bytes = 16;

    public static string ToText(Guid id) => Base64Url.EncodeToString(id.ToByteArray(bigEndian: true));

    public static bool TryParse(ReadOnlySpan<char> text, out Guid id)
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        id = default;
        if (!Base64Url.IsValid(text, out var length) || length != Bytes || !Base64Url.TryDecodeFromChars(text, bytes, out _)) return false;
        id = new Guid(bytes, bigEndian: true);
        return true;
    }
}
