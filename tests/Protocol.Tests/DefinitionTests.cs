using System.Text.Json;
using Milena.Protocol.Generator;

namespace Milena.Protocol.Tests;

/// <summary>Holds every spec, field by field, to the definitions of the reference.</summary>
public sealed class DefinitionTests
{
    private static readonly Dictionary<string, JsonElement> Definitions = ReadDefinitions();

    public static TheoryData<string> Names => [.. Definitions.Keys.Union(Specs.Messages.Keys).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_spec_says_what_the_reference_says(string name)
    {
        Assert.True(Definitions.TryGetValue(name, out var definition), $"the reference has no {name}");
        if (Text(definition, "validVersions") == "none")
        {
            Assert.DoesNotContain(name, Specs.Messages.Keys);
            return;
        }

        Assert.True(Specs.Messages.TryGetValue(name, out var spec), $"there is no spec of {name}");
        Assert.Equal(Describe(definition), Describe(spec));
    }

    [Fact]
    public void Every_definition_of_the_reference_is_tested() => Assert.Equal(280, Definitions.Count);

    private static Dictionary<string, JsonElement> ReadDefinitions()
    {
        var text = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Reference", "definitions.json"));
        return JsonDocument.Parse(text).RootElement.EnumerateArray().ToDictionary(definition => definition.GetProperty("name").GetString()!);
    }

    private static string Describe(JsonElement definition)
    {
        var kind = Text(definition, "type") switch
        {
            "request" => "request",
            "response" => "response",
            "metadata" or "coordinator-key" or "coordinator-value" => "record",
            _ => "data",
        };
        var key = definition.TryGetProperty("apiKey", out var apiKey) ? apiKey.GetInt32() : -1;
        var common = definition.TryGetProperty("commonStructs", out var structs) ? structs.EnumerateArray() : default;
        return string.Join('\n', [
            $"{kind} {key} {Text(definition, "validVersions")} flexible {Text(definition, "flexibleVersions")}",
            .. Fields(definition).SelectMany(field => Describe(field, "")),
            .. common.SelectMany(one => Fields(one).SelectMany(field => Describe(field, Text(one, "name") + "."))),
        ]);
    }

    private static string Describe(MessageSpec spec) => string.Join('\n', [
        $"{spec.Kind} {spec.ApiKey} {spec.Versions} flexible {spec.Flexible}",
        .. spec.Fields.SelectMany(field => Describe(field, "")),
        .. spec.CommonStructs.SelectMany(one => one.Fields.SelectMany(field => Describe(field, one.Name + "."))),
    ]);

    private static IEnumerable<string> Describe(JsonElement field, string path)
    {
        var name = Capitalized(Text(field, "name"));
        var type = Text(field, "type");
        var tagged = Text(field, "taggedVersions");
        var facts = new Facts(
            type,
            Text(field, "versions", otherwise: tagged),
            Text(field, "nullableVersions"),
            field.TryGetProperty("tag", out var tag) ? tag.GetInt32() : -1,
            tagged,
            // Null is written as text; JSON's own null says that no default is given, and the golden bytes agree.
            Default(type, field.TryGetProperty("default", out var value) && value.ValueKind != JsonValueKind.Null ? value.ToString() : null),
            field.TryGetProperty("ignorable", out var ignorable) && ignorable.GetBoolean(),
            Text(field, "flexibleVersions", otherwise: "") == "none");
        return [$"{path}{name} {facts}", .. Fields(field).SelectMany(below => Describe(below, $"{path}{name}."))];
    }

    private static IEnumerable<string> Describe(FieldSpec field, string path)
    {
        // The reference carries error codes in plain int16 fields.
        var type = (field.IsArray ? "[]" : "") + (field.Type == "error" ? "int16" : field.Type);
        var facts = new Facts(
            type, $"{field.Versions}", $"{field.Nullable}", field.Tag, $"{field.Tagged}", Default(type, field.Default), field.Ignorable, field.NeverCompact);
        return [$"{path}{field.Name} {facts}", .. field.Fields.SelectMany(below => Describe(below, $"{path}{field.Name}."))];
    }

    /// <summary>A default in one form, since nothing, 0 and 0x0 are the same number.</summary>
    private static string Default(string type, string? text) => type switch
    {
        _ when text == "null" => "null",
        "bool" => (text ?? "false").ToLowerInvariant(),
        "int8" or "int16" or "uint16" or "int32" or "uint32" or "int64" or "float64" =>
            (text ?? "0").StartsWith("0x", StringComparison.Ordinal) ? $"{Convert.ToInt64(text, 16)}" : text ?? "0",
        _ => text ?? "",
    };

    private static JsonElement.ArrayEnumerator Fields(JsonElement parent) =>
        parent.TryGetProperty("fields", out var fields) ? fields.EnumerateArray() : default;

    private static string Text(JsonElement element, string property, string otherwise = "none") =>
        element.TryGetProperty(property, out var value) ? value.GetString()! : otherwise;

    // The records of the group coordinator begin their fields with small letters.
    private static string Capitalized(string name) => char.ToUpperInvariant(name[0]) + name[1..];

    private sealed record Facts(
        string Type, string Versions, string Nullable, int Tag, string TaggedVersions, string Default, bool Ignorable, bool NeverCompact);
}
