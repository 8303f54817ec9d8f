using System.Collections.Generic;
using System.Linq;

namespace Milena.Protocol.Generator;

/// <summary>Writes the Write method of a message or struct. A field that a version cannot carry is dropped if it may be, else it is a bug and throws.</summary>
internal sealed class WriteEmitter(CodeWriter code, MessageSpec message)
{
    public void Emit(List<FieldSpec> fields, Versions versions)
    {
        code.Open("public void Write(ref ProtocolWriter writer, short version)");
        code.Line($"var flexible = {(TypeNames.Condition(message.Flexible, versions) is { Length: > 0 } condition ? condition : "true")};");
        foreach (var field in fields)
        {
            EmitGuarded(field, versions);
        }

        if (message.Flexible.Overlaps(versions))
        {
            code.Open("if (flexible)");
            EmitTagged(fields.Where(field => field.Tag >= 0).OrderBy(field => field.Tag).ToList(), versions);
            code.Close();
        }

        code.Close();
    }

    /// <summary>Whether a struct holds nothing but defaults: then, under a tag, it is not written.</summary>
    public void EmitIsDefault(List<FieldSpec> fields)
    {
        code.Line($"internal bool IsDefault => {(fields.Count == 0 ? "true" : $"!({string.Join(" || ", fields.Select(IsSet))})")};");
    }

    private void EmitGuarded(FieldSpec field, Versions versions)
    {
        var plain = field.Tag < 0 ? field.Versions
            : field.Tagged.Lowest > field.Versions.Lowest ? new Versions(field.Versions.Lowest, (short)(field.Tagged.Lowest - 1))
            : Versions.None;
        var written = TypeNames.Condition(plain, versions);
        if (written != "false")
        {
            if (written.Length > 0)
            {
                code.Open($"if ({written})");
            }

            EmitField(field, versions);
            if (written.Length > 0)
            {
                code.Close();
            }
        }

        var carried = TypeNames.Condition(field.Versions, versions);
        if (carried.Length > 0 && !field.Ignorable)
        {
            code.Open($"if ({(carried == "false" ? "" : $"!({carried}) && ")}{IsSet(field)})");
            code.Line($"throw ProtocolWriter.CannotCarry(\"{message.Name}.{field.Name}\", version);");
            code.Close();
        }
    }

    private void EmitTagged(List<FieldSpec> tagged, Versions versions)
    {
        if (tagged.Count == 0)
        {
            code.Line("writer.WriteUnsignedVarint(0);");
            return;
        }

        code.Line("var tags = 0u;");
        foreach (var field in tagged)
        {
            code.Open($"if ({When(field, versions)})");
            code.Line("tags++;");
            code.Close();
        }

        code.Line("writer.WriteUnsignedVarint(tags);");
        foreach (var field in tagged)
        {
            code.Open($"if ({When(field, versions)})");
            code.Line($"var start = writer.BeginTag({field.Tag});");
            EmitField(field, versions);
            code.Line("writer.EndTag(start);");
            code.Close();
        }
    }

    private static string When(FieldSpec field, Versions versions) =>
        TypeNames.Condition(field.Tagged, versions) is { Length: > 0 } condition ? $"{condition} && {IsSet(field)}" : IsSet(field);

    /// <summary>Whether the field differs from its default.</summary>
    private static string IsSet(FieldSpec field)
    {
        var value = field.Name;
        if (field.Default == "null")
        {
            return $"{value} is not null";
        }

        if (field.IsArray)
        {
            return TypeNames.IsNullable(field) ? $"{value} is not {{ Count: 0 }}" : $"{value}.Count != 0";
        }

        return field.Type switch
        {
            "bytes" => TypeNames.IsNullable(field) ? $"{value} is not {{ Length: 0 }}" : $"{value}.Length != 0",
            "records" => $"!{value}.IsNull",
            _ when !field.IsPrimitive => TypeNames.IsNullable(field) ? $"({value} is null || !{value}.IsDefault)" : $"!{value}.IsDefault",
            _ => $"{value} != {TypeNames.Literal(field)}",
        };
    }

    private void EmitField(FieldSpec field, Versions versions)
    {
        var compact = field.NeverCompact ? "false" : "flexible";
        var nullable = field.Nullable.IsNone ? "false" : TypeNames.Condition(field.Nullable, versions) is { Length: > 0 } condition ? condition : "true";
        if (field.IsArray)
        {
            code.Line(TypeNames.IsNullable(field)
                ? $"writer.WriteArrayLength({compact}, {nullable}, {field.Name}?.Count);"
                : $"writer.WriteArrayLength({compact}, false, {field.Name}.Count);");
            code.Open(TypeNames.IsNullable(field)
                ? $"for (var index = 0; {field.Name} is not null && index < {field.Name}.Count; index++)"
                : $"for (var index = 0; index < {field.Name}.Count; index++)");
            code.Line(Element(field, $"{field.Name}[index]", compact, "false"));
            code.Close();
        }
        else if (!field.IsPrimitive && TypeNames.IsNullable(field))
        {
            if (nullable != "false")
            {
                code.Line($"{(nullable == "true" ? "" : $"if ({nullable}) ")}writer.WriteIsNull({field.Name} is null);");
            }

            code.Line($"{field.Name}?.Write(ref writer, version);");
        }
        else
        {
            code.Line(Element(field, field.Name, compact, nullable));
        }
    }

    private static string Element(FieldSpec field, string value, string compact, string nullable) => field.Type switch
    {
        "bool" => $"writer.WriteBool({value});",
        "int8" => $"writer.WriteInt8({value});",
        "int16" => $"writer.WriteInt16({value});",
        "uint16" => $"writer.WriteUInt16({value});",
        "int32" => $"writer.WriteInt32({value});",
        "uint32" => $"writer.WriteUInt32({value});",
        "int64" => $"writer.WriteInt64({value});",
        "float64" => $"writer.WriteFloat64({value});",
        "uuid" => $"writer.WriteUuid({value});",
        "error" => $"writer.WriteInt16((short){value});",
        "records" => $"writer.WriteRecords({compact}, {nullable}, {value});",
        "string" => $"writer.WriteString({compact}, {nullable}, {value});",
        "bytes" => $"writer.WriteBytes({compact}, {nullable}, {value});",
        _ => $"{value}.Write(ref writer, version);",
    };
}
