namespace Milena.Testing;

/// <summary>One file of a <see cref="FaultyDisk"/>: what is durable, and the changes since.</summary>
internal sealed class FaultyFile(string path)
{
    private const double FullLossShare = 0.2;
    private const double TornShare = 0.5;
    private const double HoleShare = 0.05;

    private readonly record struct Change(int Position, byte[]? Bytes, int Length);

    private readonly List<Change> _unsynced = [];
    private byte[] _durable = [];
    private byte[] _content = [];

    public string Path { get; set; } = path;
    public int Length { get; private set; }

    public int Read(int position, Span<byte> destination)
    {
        var count = Math.Clamp(Length - position, 0, destination.Length);
        if (count > 0) _content.AsSpan(position, count).CopyTo(destination);
        return count;
    }

    public void Write(int position, ReadOnlySpan<byte> bytes)
    {
        _unsynced.Add(new Change(position, bytes.ToArray(), 0));
        Apply(_unsynced[^1]);
    }

    public void SetLength(int length)
    {
        _unsynced.Add(new Change(0, null, length));
        Apply(_unsynced[^1]);
    }

    public void Sync()
    {
        if (_unsynced.Count == 0) return;
        _durable = ToArray();
        _unsynced.Clear();
    }

    public void Corrupt(int position) => _content[position] ^= 0x55;

    public byte[] ToArray() => _content.AsSpan(0, Length).ToArray();

    public void Crash(Random random)
    {
        var changes = _unsynced.ToList();
        _unsynced.Clear();
        _content = [.. _durable];
        Length = _durable.Length;
        var kept = random.NextDouble() < FullLossShare ? 0 : random.Next(changes.Count + 1);
        for (var i = 0; i < kept; i++)
        {
            // The kernel writes pages back in any order: an earlier change may be missing where a later one is there.
            if (random.NextDouble() >= HoleShare) Apply(changes[i]);
        }
        if (kept < changes.Count && changes[kept].Bytes is { Length: > 0 } bytes && random.NextDouble() < TornShare)
        {
            Apply(changes[kept] with { Bytes = bytes[..random.Next(bytes.Length)] });
        }
        _durable = ToArray();
    }

    private void Apply(Change change)
    {
        if (change.Bytes is not { } bytes)
        {
            Resize(change.Length);
            return;
        }
        if (change.Position + bytes.Length > Length) Resize(change.Position + bytes.Length);
        bytes.CopyTo(_content, change.Position);
    }

    private void Resize(int length)
    {
        if (length > _content.Length) Array.Resize(ref _content, Math.Max(length, _content.Length * 2));
        if (length < Length) _content.AsSpan(length, Length - length).Clear();
        Length = length;
    }
}
