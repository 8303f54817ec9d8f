using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text.RegularExpressions;

namespace Milena.Protocol.Generator;

/// <summary>Finds what is well-formed in a spec and yet makes no sense: without it the C# compiler, or nobody, would notice.</summary>
internal sealed class SpecChecker
{
    private static readonly Regex Name = new("^[A-Z][A-Za-z0-9]*$");

    private static readonly string[] MembersOfMessages = ["ApiKey", "LowestVersion", "HighestVersion", "FirstFlexibleVersion", "TryRead", "Read", "Write"];

    private static readonly string[] MembersOfStructs = ["MinBytes", "IsDefault", "Read", "Write"];

    private readonly MessageSpec _message;
    private readonly Dictionary<string, FieldSpec> _structs = [];
    private readonly List<SpecError> _errors = [];

    private SpecChecker(MessageSpec message) => _message = message;

    public static IEnumerable<SpecError> Check(IEnumerable<MessageSpec> messages) => messages.SelectMany(message =>
    {
        var checker = new SpecChecker(message);
        checker.Check();
        return checker._errors;
    });

    private void Check()
    {
        FailIf(!Name.IsMatch(_message.Name), _message.Line, $"{_message.Name} is no name: letters and digits, a capital first");
        FailIf(_message.Versions.IsNone || _message.Versions.Highest == Versions.Open, _message.Line, $"the versions of {_message.Name} must have an end");
        FailIf(
            !_message.Flexible.IsNone && _message.Flexible.Highest != Versions.Open,
            _message.Line,
            $"{_message.Name} is flexible in no version or in all from one on, not in {_message.Flexible}");
        CollectStructs();
        CheckFields(_message.Name, _message.Fields, MembersOfMessages);
        foreach (var definition in _structs.Values)
        {
            CheckFields(SpecParser.TypeNameOf(definition), definition.Fields, MembersOfStructs);
        }

        if (_errors.Count == 0)
        {
            CheckContents();
        }
    }

    private void CollectStructs()
    {
        foreach (var definition in _message.Structs)
        {
            var name = SpecParser.TypeNameOf(definition);
            if (_structs.TryGetValue(name, out var first))
            {
                Fail(Math.Max(definition.Line, first.Line), $"the struct {name} is already defined in line {Math.Min(definition.Line, first.Line)}");
                continue;
            }

            _structs.Add(name, definition);
            FailIf(!Name.IsMatch(name), definition.Line, $"{name} is no name of a struct: letters and digits, a capital first");
            FailIf(name == _message.Name, definition.Line, $"the struct {name} bears the name of its message");
            FailIf(definition.Fields.Count == 0, definition.Line, $"the struct {name} has no fields");
        }
    }

    private void CheckFields(string owner, List<FieldSpec> fields, string[] taken)
    {
        foreach (var field in fields)
        {
            FailIf(!Name.IsMatch(field.Name), field.Line, $"{field.Name} is no name of a field: letters and digits, a capital first");
            FailIf(field.Name == _message.Name || taken.Contains(field.Name), field.Line, $"{field.Name} is already something else in the class {owner}");
            FailIf(
                fields.First(one => one.Name == field.Name) != field, field.Line, $"{owner} has a field {field.Name} already");
            FailIf(field.Versions.IsNone, field.Line, $"{field.Name} is in no version");
            FailIf(
                !field.IsPrimitive && !_structs.ContainsKey(field.Type),
                field.Line,
                $"the type {field.Type} of {field.Name} is neither a primitive nor a struct of {_message.Name}");
            CheckNull(field);
            CheckDefault(field);
            CheckTag(field, fields);
            FailIf(
                field.NeverCompact && !field.IsArray && field.Type is not ("string" or "bytes" or "records"),
                field.Line,
                $"{field.Name} of type {field.Type} has no compact form to be kept from");
        }
    }

    private void CheckNull(FieldSpec field)
    {
        var canBeNull = field.IsArray || !field.IsPrimitive || field.Type is "string" or "bytes" or "records";
        FailIf(!field.Nullable.IsNone && !canBeNull, field.Line, $"{field.Name} of type {field.Type} cannot be null");
        FailIf(
            !field.Nullable.IsNone && !field.Versions.Overlaps(field.Nullable),
            field.Line,
            $"{field.Name} may be null in versions {field.Nullable}, and is in versions {field.Versions}");
    }

    private void CheckDefault(FieldSpec field)
    {
        var text = field.Default;
        if (text == "null")
        {
            FailIf(field.Nullable.IsNone, field.Line, $"{field.Name} is null by default, but may be null in no version");
        }
        else if (text is not null)
        {
            FailIf(!IsDefaultOf(field, text), field.Line, $"'{text}' is no default of {field.Name}, which is of type {(field.IsArray ? "[]" : "")}{field.Type}");
        }
    }

    private static bool IsDefaultOf(FieldSpec field, string text) => field.Type switch
    {
        _ when field.IsArray => false,
        "bool" => text is "true" or "false",
        "int8" => IsBetween(text, sbyte.MinValue, sbyte.MaxValue),
        "int16" => IsBetween(text, short.MinValue, short.MaxValue),
        "uint16" => IsBetween(text, ushort.MinValue, ushort.MaxValue),
        "int32" => IsBetween(text, int.MinValue, int.MaxValue),
        "uint32" => IsBetween(text, uint.MinValue, uint.MaxValue),
        "int64" => IsBetween(text, long.MinValue, long.MaxValue),
        "float64" => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _),
        "error" => text == "0",
        "string" => text.IndexOfAny(['"', '\\']) < 0,
        _ => false,
    };

    private static bool IsBetween(string text, long lowest, long highest)
    {
        var isHex = text.StartsWith("0x", StringComparison.Ordinal);
        var digits = isHex ? text.Substring(2) : text;
        return long.TryParse(digits, isHex ? NumberStyles.AllowHexSpecifier : NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            && number >= lowest && number <= highest;
    }

    private void CheckTag(FieldSpec field, List<FieldSpec> fields)
    {
        if (field.Tag < 0)
        {
            return;
        }

        FailIf(
            !_message.Flexible.Contains(field.Tagged),
            field.Line,
            $"{field.Name} has a tag in versions {field.Tagged}, of which some are not flexible");
        FailIf(
            !field.Versions.Contains(field.Tagged) || field.Tagged.Highest != field.Versions.Highest,
            field.Line,
            $"{field.Name} is in versions {field.Versions}, and must have its tag from one of them to the last, not in {field.Tagged}");
        FailIf(
            fields.First(one => one.Tag == field.Tag) is var first && first != field,
            field.Line,
            $"tag {field.Tag} of {field.Name} is already that of {first.Name}");
    }

    /// <summary>A struct that holds itself could be nested without end; an element without bytes could come without number.</summary>
    private void CheckContents()
    {
        var circle = _structs.Values.FirstOrDefault(definition => Holds(definition, SpecParser.TypeNameOf(definition), []));
        if (circle is not null)
        {
            Fail(circle.Line, $"the struct {SpecParser.TypeNameOf(circle)} holds itself");
            return;
        }

        foreach (var field in _message.Fields.Concat(_structs.Values.SelectMany(one => one.Fields)).Where(field => field.IsArray && !field.IsPrimitive))
        {
            for (int version = _message.Versions.Lowest; version <= _message.Versions.Highest; version++)
            {
                var one = new Versions((short)version, (short)version);
                if (field.Versions.Overlaps(one) && !TakesBytes(_structs[field.Type], one))
                {
                    Fail(field.Line, $"an element of {field.Name} takes no bytes in version {version}, which would not bound their number");
                    break;
                }
            }
        }
    }

    private bool Holds(FieldSpec definition, string name, HashSet<string> seen) => definition.Fields.Any(field =>
        !field.IsPrimitive && (field.Type == name || (seen.Add(field.Type) && Holds(_structs[field.Type], name, seen))));

    private bool TakesBytes(FieldSpec definition, Versions version) => _message.Flexible.Contains(version)
        || definition.Fields.Any(field => field.Versions.Overlaps(version)
            && (field.IsPrimitive || field.IsArray || field.Nullable.Overlaps(version) || TakesBytes(_structs[field.Type], version)));

    private void FailIf(bool wrong, int line, string message)
    {
        if (wrong)
        {
            Fail(line, message);
        }
    }

    private void Fail(int line, string message) => _errors.Add(new SpecError(line, message));
}
