using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;

namespace Milena.Protocol.Generator;

/// <summary>Reads a .spec file. The syntax is in the README of the Protocol room.</summary>
public sealed class SpecParser
{
    private const int IndentSize = 2;

    private readonly List<MessageSpec> _messages = [];
    private readonly List<SpecError> _errors = [];
    private readonly List<FieldSpec> _path = [];
    private (int Key, string Name, Versions Versions, Versions Flexible)? _api;
    private MessageSpec? _message;

    private SpecParser()
    {
    }

    public static (IReadOnlyList<MessageSpec> Messages, IReadOnlyList<SpecError> Errors) Parse(string text)
    {
        var parser = new SpecParser();
        var lines = text.Replace("\r", "").Split('\n');
        for (var index = 0; index < lines.Length; index++)
        {
            parser.ParseLine(lines[index], index + 1);
        }

        foreach (var message in parser._messages)
        {
            parser.CheckStructs(message);
        }

        return (parser._messages, parser._errors);
    }

    private void ParseLine(string line, int number)
    {
        var hash = line.IndexOf('#');
        var comment = hash < 0 ? "" : line.Substring(hash + 1).Trim();
        var content = (hash < 0 ? line : line.Substring(0, hash)).TrimEnd();
        if (content.Length == 0)
        {
            return;
        }

        var indent = content.Length - content.TrimStart().Length;
        var words = content.Split([' '], StringSplitOptions.RemoveEmptyEntries);
        if (indent == 0)
        {
            StartSection(words, number);
        }
        else if (_message is null || indent % IndentSize != 0 || indent / IndentSize > _path.Count + 1)
        {
            Fail(number, "a field must be indented by two spaces for each level, below a section");
        }
        else if (ParseField(words, number, comment) is { } field)
        {
            Attach(field, indent / IndentSize, number);
        }
    }

    private void StartSection(string[] words, int line)
    {
        _path.Clear();
        switch (words[0])
        {
            case "api" when words.Length == 6 && words[4] == "flexible" && Key(words[1], out var key) && Range(words[3], out var versions) && Range(words[5], out var flexible):
                _api = (key, words[2], versions, flexible);
                _message = null;
                break;
            case "request" or "response" when words.Length == 1 && _api is { } api:
                var suffix = words[0] == "request" ? "Request" : "Response";
                Start(new MessageSpec(api.Name + suffix, words[0], api.Key, api.Versions, api.Flexible));
                break;
            case "record" when words.Length == 6 && words[4] == "flexible" && Key(words[1], out var key) && Range(words[3], out var versions) && Range(words[5], out var flexible):
                Start(new MessageSpec(words[2], "record", key, versions, flexible));
                break;
            case "data" when words.Length == 5 && words[3] == "flexible" && Range(words[2], out var versions) && Range(words[4], out var flexible):
                Start(new MessageSpec(words[1], "data", -1, versions, flexible));
                break;
            default:
                Fail(line, "expected 'api KEY NAME VERSIONS flexible VERSIONS', 'request', 'response', 'record KEY NAME VERSIONS flexible VERSIONS' or 'data NAME VERSIONS flexible VERSIONS'");
                break;
        }
    }

    private void Start(MessageSpec message)
    {
        _message = message;
        _messages.Add(message);
    }

    private void Attach(FieldSpec field, int depth, int line)
    {
        _path.RemoveRange(depth - 1, _path.Count - (depth - 1));
        if (depth == 1)
        {
            (field.Type == "struct" ? _message!.CommonStructs : _message!.Fields).Add(field);
        }
        else
        {
            var parent = _path[depth - 2];
            if (parent.IsPrimitive)
            {
                Fail(line, $"{parent.Name} is of type {parent.Type} and cannot have fields");
            }

            parent.Fields.Add(field);
        }

        _path.Add(field);
    }

    private FieldSpec? ParseField(string[] words, int line, string comment)
    {
        if (words.Length < 3 || !Versions.TryParse(words[2], out var versions))
        {
            Fail(line, "a field is NAME TYPE VERSIONS, then any of: null VERSIONS, tag N VERSIONS, = DEFAULT, ignorable, never-compact");
            return null;
        }

        // A common struct is written 'struct NAME VERSIONS', so that it reads as a definition.
        var field = words[0] == "struct" ? new FieldSpec(words[1], "struct", versions, line) : new FieldSpec(words[0], words[1], versions, line);
        field.Comment = comment;
        for (var position = 3; position < words.Length;)
        {
            if (!ParseAttribute(field, words, ref position))
            {
                Fail(line, $"'{words[position]}' is no attribute of a field, or lacks its value");
                return null;
            }
        }

        return field;
    }

    private static bool ParseAttribute(FieldSpec field, string[] words, ref int position)
    {
        var word = words[position];
        var left = words.Length - position - 1;
        if (word == "ignorable")
        {
            field.Ignorable = true;
            position++;
            return true;
        }

        if (word == "never-compact")
        {
            field.NeverCompact = true;
            position++;
            return true;
        }

        if (word == "null" && left >= 1 && Range(words[position + 1], out var nullable))
        {
            field.Nullable = nullable;
            position += 2;
            return true;
        }

        if (word == "=" && left >= 1)
        {
            field.Default = words[position + 1] == "\"\"" ? "" : words[position + 1];
            position += 2;
            return true;
        }

        if (word == "tag" && left >= 2 && Key(words[position + 1], out var tag) && Range(words[position + 2], out var tagged))
        {
            (field.Tag, field.Tagged) = (tag, tagged);
            position += 3;
            return true;
        }

        return false;
    }

    private void CheckStructs(MessageSpec message)
    {
        var known = new HashSet<string>(message.Structs.Select(TypeNameOf));
        foreach (var field in message.Fields.Concat(message.Structs.SelectMany(one => one.Fields)))
        {
            if (!field.IsPrimitive && !known.Contains(field.Type))
            {
                Fail(field.Line, $"the type {field.Type} of {field.Name} is neither a primitive nor a struct of {message.Name}");
            }

            if (field.Tag >= 0 && !message.Flexible.Contains(field.Tagged.Overlaps(message.Versions) ? new Versions(field.Tagged.Lowest, field.Tagged.Lowest) : Versions.None))
            {
                Fail(field.Line, $"{field.Name} has a tag in versions {field.Tagged}, which are not flexible");
            }
        }
    }

    internal static string TypeNameOf(FieldSpec definition) => definition.Type == "struct" ? definition.Name : definition.Type;

    private static bool Key(string text, out int key) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out key);

    private static bool Range(string text, out Versions versions) => Versions.TryParse(text, out versions);

    private void Fail(int line, string message) => _errors.Add(new SpecError(line, message));
}
