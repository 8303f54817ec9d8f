using System.Collections.Generic;
using System.Globalization;
using System.Linq;

namespace Milena.Protocol.Generator;

/// <summary>A range of versions: "3+", "0-12", "4", or "none".</summary>
public readonly struct Versions(short lowest, short highest)
{
    public const short Open = short.MaxValue;

    public short Lowest { get; } = lowest;
    public short Highest { get; } = highest;

    public static Versions None { get; } = new(0, -1);

    public bool IsNone => Highest < Lowest;

    public bool Contains(Versions other) => other.IsNone || (Lowest <= other.Lowest && Highest >= other.Highest);

    public bool Overlaps(Versions other) => !IsNone && !other.IsNone && Lowest <= other.Highest && other.Lowest <= Highest;

    public static bool TryParse(string text, out Versions versions)
    {
        versions = None;
        if (text == "none")
        {
            return true;
        }

        var open = text.EndsWith("+", System.StringComparison.Ordinal);
        var parts = open ? [text.Substring(0, text.Length - 1)] : text.Split('-');
        if (parts.Length > 2 || !TryParseNumber(parts[0], out var lowest))
        {
            return false;
        }

        var highest = open ? Open : lowest;
        if (parts.Length == 2 && (!TryParseNumber(parts[1], out highest) || highest < lowest))
        {
            return false;
        }

        versions = new Versions(lowest, highest);
        return true;
    }

    public override string ToString() => IsNone ? "none" : Highest == Open ? $"{Lowest}+" : Lowest == Highest ? $"{Lowest}" : $"{Lowest}-{Highest}";

    private static bool TryParseNumber(string text, out short number) => short.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}

/// <summary>One field of a message or struct, as its line in the spec says.</summary>
public sealed class FieldSpec(string name, string type, Versions versions, int line)
{
    public string Name { get; } = name;

    /// <summary>The element's type where <see cref="IsArray"/>.</summary>
    public string Type { get; } = type.StartsWith("[]", System.StringComparison.Ordinal) ? type.Substring(2) : type;

    public bool IsArray { get; } = type.StartsWith("[]", System.StringComparison.Ordinal);
    public Versions Versions { get; } = versions;
    public int Line { get; } = line;
    public Versions Nullable { get; set; } = Versions.None;
    public Versions Tagged { get; set; } = Versions.None;
    public int Tag { get; set; } = -1;
    public string? Default { get; set; }
    public bool Ignorable { get; set; }

    /// <summary>True for the client id of request headers, which keeps its old form in flexible versions.</summary>
    public bool NeverCompact { get; set; }

    public string Comment { get; set; } = "";
    public List<FieldSpec> Fields { get; } = [];

    public bool IsPrimitive => SpecTypes.Primitive.Contains(Type);
}

/// <summary>A request, a response, a stored record, or a header.</summary>
public sealed class MessageSpec(string name, string kind, int apiKey, Versions versions, Versions flexible, int line)
{
    public string Name { get; } = name;

    /// <summary>request, response, record or data.</summary>
    public string Kind { get; } = kind;

    /// <summary>-1 where there is none.</summary>
    public int ApiKey { get; } = apiKey;

    public Versions Versions { get; } = versions;
    public Versions Flexible { get; } = flexible;

    /// <summary>The line of its section, counted from 1.</summary>
    public int Line { get; } = line;

    public List<FieldSpec> Fields { get; } = [];

    /// <summary>Structs that several fields share; their fields hang below a field-like node of the struct's name.</summary>
    public List<FieldSpec> CommonStructs { get; } = [];

    /// <summary>Every struct of the message by name: those defined below a field, and the common ones.</summary>
    public IEnumerable<FieldSpec> Structs => Fields.SelectMany(StructsBelow).Concat(CommonStructs.SelectMany(StructsBelow)).Concat(CommonStructs);

    private static IEnumerable<FieldSpec> StructsBelow(FieldSpec field)
    {
        var below = field.Fields.SelectMany(StructsBelow);
        return field.Fields.Count > 0 && !field.IsPrimitive && field.Type != "struct" ? below.Concat([field]) : below;
    }
}

/// <summary>What is wrong with a spec, and where.</summary>
public sealed class SpecError(int line, string message)
{
    /// <summary>Counted from 1.</summary>
    public int Line { get; } = line;

    public string Message { get; } = message;
}

public static class SpecTypes
{
    public static readonly HashSet<string> Primitive =
    [
        "bool", "int8", "int16", "uint16", "int32", "uint32", "int64", "float64", "uuid", "string", "bytes", "records", "error",
    ];
}
