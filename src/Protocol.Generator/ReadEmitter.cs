using System;
using System.Collections.Generic;
using System.Linq;

namespace Milena.Protocol.Generator;

/// <summary>Writes the Read method of a message or struct. It never throws: the reader remembers the first thing that was wrong.</summary>
internal sealed class ReadEmitter(CodeWriter code, TypeNames names, MessageSpec message)
{
    public void Emit(string className, List<FieldSpec> fields, Versions versions)
    {
        code.Open($"internal static {className} Read(ref ProtocolReader reader, short version)");
        code.Line($"var message = new {className}();");
        code.Line($"var flexible = {Flexible(versions)};");
        foreach (var field in fields)
        {
            Guarded(field, versions, () => EmitField(field, versions));
        }

        if (message.Flexible.Overlaps(versions))
        {
            code.Open("if (flexible)");
            EmitTagged(fields.Where(field => field.Tag >= 0).ToList(), versions);
            code.Close();
        }

        code.Line("return message;");
        code.Close();
    }

    private string Flexible(Versions versions) => TypeNames.Condition(message.Flexible, versions) is { Length: > 0 } condition ? condition : "true";

    /// <summary>Fields with a tag are read with the tags in the versions where they have it.</summary>
    private static void Guarded(FieldSpec field, CodeWriter code, Versions versions, Action body)
    {
        var plain = field.Tag < 0 ? field.Versions
            : field.Tagged.Lowest > field.Versions.Lowest ? new Versions(field.Versions.Lowest, (short)(field.Tagged.Lowest - 1))
            : Versions.None;
        var condition = TypeNames.Condition(plain, versions);
        if (condition == "false")
        {
            return;
        }

        if (condition.Length > 0)
        {
            code.Open($"if ({condition})");
        }

        body();
        if (condition.Length > 0)
        {
            code.Close();
        }
    }

    private void Guarded(FieldSpec field, Versions versions, Action body) => Guarded(field, code, versions, body);

    private void EmitTagged(List<FieldSpec> tagged, Versions versions)
    {
        if (tagged.Count == 0)
        {
            code.Line("reader.SkipTaggedFields();");
            return;
        }

        code.Line("var count = reader.ReadTagCount();");
        code.Line("var previous = -1;");
        code.Open("for (var index = 0; index < count && !reader.Failed; index++)");
        code.Line("var tag = reader.ReadTag(ref previous, out var end);");
        code.Open("switch (tag)");
        foreach (var field in tagged)
        {
            var condition = TypeNames.Condition(field.Tagged, versions);
            code.Line($"case {field.Tag}{(condition.Length > 0 ? $" when {condition}" : "")}:");
            code.Open();
            EmitField(field, versions);
            code.Line("reader.EndTag(end);");
            code.Line("break;");
            code.Close();
        }

        code.Line("default:");
        code.Open();
        code.Line("reader.SkipTo(end);");
        code.Line("break;");
        code.Close();
        code.Close();
        code.Close();
    }

    private void EmitField(FieldSpec field, Versions versions)
    {
        var nullable = NullableIn(field, versions);
        var compact = field.NeverCompact ? "false" : "flexible";
        if (field.IsArray)
        {
            code.Open();
            code.Line($"var length = reader.ReadArrayLength({compact}, {nullable}, {MinBytes(field, compact)});");
            if (TypeNames.IsNullable(field) && field.Default != "null")
            {
                code.Open("if (length < 0)");
                code.Line($"message.{field.Name} = null;");
                code.Close();
            }

            // An empty list is there from the start, unless null is the default.
            code.Open(field.Default == "null" ? "if (length >= 0)" : "if (length > 0)");
            code.Line($"var list = new List<{names.ElementType(field)}>(length);");
            code.Open("for (var item = 0; item < length && !reader.Failed; item++)");
            code.Line($"list.Add({Element(field, compact, "false")});");
            code.Close();
            code.Line($"message.{field.Name} = list;");
            code.Close();
            code.Close();
        }
        else if (!field.IsPrimitive && TypeNames.IsNullable(field))
        {
            var isNull = nullable switch { "false" => "", "true" => "reader.ReadIsNull() ? null : ", _ => $"{nullable} && reader.ReadIsNull() ? null : " };
            code.Line($"message.{field.Name} = {isNull}{Element(field, compact, "false")};");
        }
        else
        {
            code.Line($"message.{field.Name} = {Element(field, compact, nullable)};");
        }
    }

    private string NullableIn(FieldSpec field, Versions versions) =>
        field.Nullable.IsNone ? "false" : TypeNames.Condition(field.Nullable, versions) is { Length: > 0 } condition ? condition : "true";

    private string Element(FieldSpec field, string compact, string nullable) => field.Type switch
    {
        "bool" => "reader.ReadBool()",
        "int8" => "reader.ReadInt8()",
        "int16" => "reader.ReadInt16()",
        "uint16" => "reader.ReadUInt16()",
        "int32" => "reader.ReadInt32()",
        "uint32" => "reader.ReadUInt32()",
        "int64" => "reader.ReadInt64()",
        "float64" => "reader.ReadFloat64()",
        "uuid" => "reader.ReadUuid()",
        "error" => "(ErrorCode)reader.ReadInt16()",
        "records" => $"reader.ReadRecords({compact}, {nullable})",
        "string" => TypeNames.IsNullable(field) && !field.IsArray ? $"reader.ReadNullableString({compact}, {nullable})" : $"reader.ReadString({compact})",
        "bytes" => TypeNames.IsNullable(field) && !field.IsArray ? $"reader.ReadNullableBytes({compact}, {nullable})" : $"reader.ReadBytes({compact})",
        _ => $"{names.ClassOf(field.Type)}.Read(ref reader, version)",
    };

    /// <summary>The fewest bytes that a struct can take in a version, so that an array of it cannot announce more than its bytes can hold.</summary>
    public void EmitMinBytes(List<FieldSpec> fields, Versions versions)
    {
        code.Open("internal static int MinBytes(short version)");
        code.Line($"var flexible = {Flexible(versions)};");
        code.Line("var bytes = flexible ? 1 : 0;");
        foreach (var field in fields)
        {
            var compact = field.NeverCompact ? "false" : "flexible";
            Guarded(field, versions, () => code.Line($"bytes += {(field.IsArray ? $"{compact} ? 1 : 4" : MinBytesOf(field, versions, compact))};"));
        }

        code.Line("return bytes;");
        code.Close();
    }

    private string MinBytesOf(FieldSpec field, Versions versions, string compact)
    {
        if (field.IsPrimitive || !TypeNames.IsNullable(field))
        {
            return MinBytes(field, compact);
        }

        // Where it may be null, a byte says whether it is.
        return NullableIn(field, versions) switch
        {
            "true" => "1",
            "false" => MinBytes(field, compact),
            var condition => $"{condition} ? 1 : {MinBytes(field, compact)}",
        };
    }

    /// <summary>The fewest bytes of a value that is no array, or of one element of an array.</summary>
    private string MinBytes(FieldSpec field, string compact) => field.Type switch
    {
        "bool" or "int8" => "1",
        "int16" or "uint16" or "error" => "2",
        "int32" or "uint32" => "4",
        "int64" or "float64" => "8",
        "uuid" => "16",
        "string" => $"{compact} ? 1 : 2",
        "bytes" or "records" => $"{compact} ? 1 : 4",
        _ => $"{names.ClassOf(field.Type)}.MinBytes(version)",
    };
}
