using System.Buffers.Binary;
using System.Text;
using Milena.Protocol.Generator;
using Milena.Protocol.Tests;

namespace Milena.Fuzz.Tests;

internal enum LengthForm
{
    Int16,
    Int32,
    Varint,
}

/// <summary>Where a length or count stands in a sample, and how it is written.</summary>
internal readonly record struct LengthMark(int Position, int Bytes, LengthForm Form);

/// <summary>A valid body of random content, written from the spec alone: it shares no code with the codecs that it tries.</summary>
internal sealed class Sample
{
    private const int MaxElements = 3;
    private const int DenseElements = 500;
    private static readonly string[] Letters = ["a", "Z", "0", ".", "_", "-", "é", "東", "🙂"];

    private readonly Random _random;
    private readonly short _version;
    private readonly bool _flexible;
    private readonly Dictionary<string, FieldSpec> _structs;
    private readonly List<byte> _bytes = [];
    private readonly FieldSpec? _dense;
    private readonly int _denseStringBytes;

    private Sample(MessageSpec message, short version, Random random, FieldSpec? dense = null)
    {
        (_random, _version, _dense) = (random, version, dense);
        _denseStringBytes = random.Next(2);
        _flexible = Has(message.Flexible);
        _structs = message.Structs.ToDictionary(Specs.StructName);
        WriteFields(message.Fields, mustDiffer: false);
    }

    public List<LengthMark> Lengths { get; } = [];

    /// <summary>No tagged fields that no version knows: these are skipped, and not written again.</summary>
    public bool HasUnknownTags { get; private set; }

    public byte[] Bytes => [.. _bytes];

    public static Sample Of(MessageSpec message, short version, Random random) => new(message, version, random);

    /// <summary>A valid body that is nearly all one array, of as small elements as there are; null where the version has none.</summary>
    public static Sample? Dense(MessageSpec message, short version, Random random)
    {
        var one = new Versions(version, version);
        var arrays = message.Fields.Concat(message.Structs.SelectMany(definition => definition.Fields))
            .Where(field => field.IsArray && field.Versions.Overlaps(one) && !field.Tagged.Overlaps(one)).ToList();
        return arrays.Count == 0 ? null : new Sample(message, version, random, arrays[random.Next(arrays.Count)]);
    }

    private bool Has(Versions versions) => versions.Overlaps(new Versions(_version, _version));

    /// <param name="mustDiffer">Every value is other than its default, so that a tagged field that holds them is written again.</param>
    private void WriteFields(List<FieldSpec> fields, bool mustDiffer)
    {
        foreach (var field in fields.Where(field => Has(field.Versions) && !Has(field.Tagged)))
        {
            WriteField(field, mustDiffer);
        }

        if (_flexible)
        {
            WriteTagged([.. fields.Where(field => _dense is null && Has(field.Tagged) && (mustDiffer || _random.Next(2) == 0)).OrderBy(field => field.Tag)], fields);
        }
    }

    private void WriteTagged(List<FieldSpec> present, List<FieldSpec> all)
    {
        var unknown = _dense is null && _random.Next(10) == 0;
        WriteVarint((uint)(present.Count + (unknown ? 1 : 0)));
        foreach (var field in present)
        {
            WriteVarint((uint)field.Tag);
            WriteSized(() => WriteField(field, mustDiffer: true));
        }

        if (unknown)
        {
            HasUnknownTags = true;
            WriteVarint((uint)(all.Max(field => (int?)field.Tag) ?? 0) + 1 + (uint)_random.Next(100));
            WriteSized(() => WriteRandom(_random.Next(5)));
        }
    }

    private void WriteSized(Action write)
    {
        var (start, marks) = (_bytes.Count, Lengths.Count);
        write();
        var data = _bytes[start..];
        _bytes.RemoveRange(start, data.Count);
        WriteVarint((uint)data.Count);
        var shift = _bytes.Count - start;
        _bytes.AddRange(data);
        for (var index = marks; index < Lengths.Count - 1; index++)
        {
            Lengths[index] = Lengths[index] with { Position = Lengths[index].Position + shift };
        }
    }

    private void WriteField(FieldSpec field, bool mustDiffer)
    {
        var compact = _flexible && !field.NeverCompact;
        var canBeNull = Has(field.Nullable) && !(mustDiffer && field.Default == "null");
        if (canBeNull && _dense is null && _random.Next(4) == 0)
        {
            WriteNull(field, compact);
        }
        else if (field.IsArray)
        {
            var count = _dense is null ? _random.Next(mustDiffer ? 1 : 0, MaxElements) : field == _dense ? DenseElements : Holds(field, _dense) ? 1 : 0;
            WriteLength(count, compact, LengthForm.Int32);
            for (var index = 0; index < count; index++)
            {
                WriteValue(field, compact, mustDiffer);
            }
        }
        else
        {
            if (!field.IsPrimitive && Has(field.Nullable))
            {
                _bytes.Add(1);
            }

            WriteValue(field, compact, mustDiffer);
        }
    }

    private bool Holds(FieldSpec field, FieldSpec wanted) =>
        !field.IsPrimitive && _structs[field.Type].Fields.Any(below => below == wanted || Holds(below, wanted));

    private void WriteNull(FieldSpec field, bool compact)
    {
        if (!field.IsPrimitive && !field.IsArray)
        {
            _bytes.Add(0xFF);
        }
        else
        {
            WriteLength(-1, compact, field.Type == "string" && !field.IsArray ? LengthForm.Int16 : LengthForm.Int32);
        }
    }

    private void WriteValue(FieldSpec field, bool compact, bool mustDiffer)
    {
        switch (field.Type)
        {
            case "bool":
                _bytes.Add(mustDiffer ? (byte)(field.Default == "true" ? 0 : 1) : (byte)_random.Next(2));
                break;
            case "int8":
                WriteInteger(1, field, mustDiffer);
                break;
            case "int16" or "uint16" or "error":
                WriteInteger(2, field, mustDiffer);
                break;
            case "int32" or "uint32":
                WriteInteger(4, field, mustDiffer);
                break;
            case "int64":
                WriteInteger(8, field, mustDiffer);
                break;
            case "float64":
                _bytes.AddRange(BitConverter.GetBytes(_random.NextDouble() + 1).Reverse());
                break;
            case "uuid":
                WriteRandom(16);
                break;
            case "string":
                if (_dense is not null)
                {
                    WriteLength(_denseStringBytes, compact, LengthForm.Int16);
                    _bytes.AddRange(Enumerable.Repeat((byte)'s', _denseStringBytes));
                    break;
                }

                var text = string.Concat(Enumerable.Range(0, _random.Next(mustDiffer ? 1 : 0, 6)).Select(_ => Letters[_random.Next(Letters.Length)]));
                var utf8 = Encoding.UTF8.GetBytes(text == field.Default && mustDiffer ? text + "x" : text);
                WriteLength(utf8.Length, compact, LengthForm.Int16);
                _bytes.AddRange(utf8);
                break;
            case "bytes" or "records":
                var length = _dense is not null ? 0 : _random.Next(mustDiffer ? 1 : 0, 20);
                WriteLength(length, compact, LengthForm.Int32);
                WriteRandom(length);
                break;
            default:
                WriteFields(_structs[field.Type].Fields, mustDiffer);
                break;
        }
    }

    private void WriteInteger(int bytes, FieldSpec field, bool mustDiffer)
    {
        // Small numbers are as likely as large ones. A value that must differ is small, since the low bytes of a large one may be the default.
        var value = mustDiffer ? _random.Next(1, 100) : _random.Next(2) == 0 ? _random.Next(-1, 100) : _random.NextInt64();
        if (mustDiffer && field.Default is { } text && text.Equals($"{value}", StringComparison.Ordinal))
        {
            value++;
        }

        Span<byte> all = stackalloc byte[8];
        BinaryPrimitives.WriteInt64BigEndian(all, value);
        _bytes.AddRange(all[^bytes..]);
    }

    private void WriteLength(int length, bool compact, LengthForm form)
    {
        if (compact)
        {
            WriteVarint((uint)(length + 1));
            return;
        }

        Span<byte> all = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(all, length);
        var bytes = form == LengthForm.Int16 ? 2 : 4;
        Lengths.Add(new LengthMark(_bytes.Count, bytes, form));
        _bytes.AddRange(all[^bytes..]);
    }

    private void WriteVarint(uint value)
    {
        var start = _bytes.Count;
        for (; value >= 0x80; value >>= 7)
        {
            _bytes.Add((byte)(value | 0x80));
        }

        _bytes.Add((byte)value);
        Lengths.Add(new LengthMark(start, _bytes.Count - start, LengthForm.Varint));
    }

    private void WriteRandom(int bytes)
    {
        var random = new byte[bytes];
        _random.NextBytes(random);
        _bytes.AddRange(random);
    }
}
