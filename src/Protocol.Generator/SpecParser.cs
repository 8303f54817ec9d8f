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
    private Api? _api;
    private MessageSpec? _message;

    // Behind a line that cannot be understood, what depends on it is not judged: one mistake, one error.
    private bool _sectionIsWrong;
    private bool _apiIsWrong;
    private int _wrongDepth = int.MaxValue;

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

        parser.EndApi();
        if (parser._errors.Count == 0)
        {
            // What a spec means is judged once all of it is understood: a line that was refused may have held what another one lacks.
            parser._errors.AddRange(SpecChecker.Check(parser._messages));
        }

        if (parser._messages.Count == 0 && parser._errors.Count == 0)
        {
            parser.Fail(1, "the file defines no message");
        }

        return (parser._messages, parser._errors);
    }

    internal static string TypeNameOf(FieldSpec definition) => definition.Type == "struct" ? definition.Name : definition.Type;

    private void ParseLine(string line, int number)
    {
        var hash = line.IndexOf('#');
        var comment = hash < 0 ? "" : line.Substring(hash + 1).Trim();
        var content = (hash < 0 ? line : line.Substring(0, hash)).TrimEnd();
        if (content.Length == 0)
        {
            return;
        }

        var indent = content.Length - content.TrimStart(' ').Length;
        var words = content.Split([' '], StringSplitOptions.RemoveEmptyEntries);
        if (content.Contains('\t'))
        {
            Fail(number, "tabs have no meaning here: indent by two spaces for each level");
        }
        else if (indent == 0)
        {
            StartSection(words, number);
        }
        else if (!_sectionIsWrong)
        {
            ParseField(words, indent, number, comment);
        }
    }

    private void StartSection(string[] words, int line)
    {
        _path.Clear();
        _wrongDepth = int.MaxValue;
        _sectionIsWrong = _apiIsWrong && words[0] is ("request" or "response");
        if (_sectionIsWrong)
        {
            return;
        }

        if (words[0] is not ("request" or "response"))
        {
            EndApi();
        }

        switch (words[0])
        {
            case "api" when words.Length == 6 && words[4] == "flexible" && Key(words[1], out var key) && Range(words[3], out var versions) && Range(words[5], out var flexible):
                _api = new Api(key, words[2], versions, flexible, line);
                _message = null;
                break;
            case "request" or "response" when words.Length == 1 && _api is { } api:
                var suffix = words[0] == "request" ? "Request" : "Response";
                api.Sections.Add(words[0]);
                Start(new MessageSpec(api.Name + suffix, words[0], api.Key, api.Versions, api.Flexible, line));
                break;
            case "record" when words.Length == 6 && words[4] == "flexible" && Key(words[1], out var key) && Range(words[3], out var versions) && Range(words[5], out var flexible):
                Start(new MessageSpec(words[2], "record", key, versions, flexible, line));
                break;
            case "data" when words.Length == 5 && words[3] == "flexible" && Range(words[2], out var versions) && Range(words[4], out var flexible):
                Start(new MessageSpec(words[1], "data", -1, versions, flexible, line));
                break;
            default:
                (_sectionIsWrong, _apiIsWrong) = (true, words[0] == "api");
                Fail(line, "expected 'api KEY NAME VERSIONS flexible VERSIONS', below it 'request' and 'response', "
                    + "'record KEY NAME VERSIONS flexible VERSIONS' or 'data NAME VERSIONS flexible VERSIONS'");
                break;
        }
    }

    private void Start(MessageSpec message)
    {
        _message = message;
        _messages.Add(message);
    }

    /// <summary>An API without one of its two sections would be half a catalog entry.</summary>
    private void EndApi()
    {
        if (_api is { } api && _errors.Count == 0 && (api.Sections.Count != 2 || api.Sections.Distinct().Count() != 2))
        {
            Fail(api.Line, $"the API {api.Name} must have one request and one response");
        }

        (_api, _apiIsWrong) = (null, false);
    }

    private void ParseField(string[] words, int indent, int line, string comment)
    {
        var depth = indent / IndentSize;
        if (depth > _wrongDepth)
        {
            return;
        }

        _wrongDepth = int.MaxValue;
        if (_message is null || indent % IndentSize != 0 || depth > _path.Count + 1)
        {
            Fail(line, "a field must be indented by two spaces for each level, below a section");
            _wrongDepth = depth;
        }
        else if (ReadField(words, line, comment) is { } field)
        {
            Attach(field, depth, line);
        }
        else
        {
            _wrongDepth = depth;
        }
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

    private FieldSpec? ReadField(string[] words, int line, string comment)
    {
        if (words.Length < 3)
        {
            Fail(line, "a field is NAME TYPE VERSIONS, then any of: null VERSIONS, tag N VERSIONS, = DEFAULT, ignorable, never-compact");
            return null;
        }

        if (!Range(words[2], out var versions))
        {
            Fail(line, NoRange(words[2]));
            return null;
        }

        // A common struct is written 'struct NAME VERSIONS', so that it reads as a definition.
        var field = words[0] == "struct" ? new FieldSpec(words[1], "struct", versions, line) : new FieldSpec(words[0], words[1], versions, line);
        field.Comment = comment;
        var seen = new HashSet<string>();
        for (var position = 3; position < words.Length;)
        {
            var word = words[position];
            var fault = seen.Add(word) ? ReadAttribute(field, words, ref position) : $"'{word}' is there twice";
            if (fault.Length > 0)
            {
                Fail(line, fault);
                return null;
            }
        }

        return field;
    }

    /// <returns>What is wrong with it; empty for nothing.</returns>
    private static string ReadAttribute(FieldSpec field, string[] words, ref int position)
    {
        var word = words[position++];
        var value = position < words.Length ? words[position] : "";
        switch (word)
        {
            case "ignorable":
                field.Ignorable = true;
                return "";
            case "never-compact":
                field.NeverCompact = true;
                return "";
            case "null":
                position++;
                field.Nullable = Range(value, out var nullable) ? nullable : Versions.None;
                return field.Nullable.IsNone ? $"null needs versions: {NoRange(value)}" : "";
            case "=":
                position++;
                field.Default = value == "\"\"" ? "" : value;
                return value.Length == 0 ? "'=' needs a default; the empty string is \"\"" : "";
            case "tag":
                var range = position + 1 < words.Length ? words[position + 1] : "";
                position += 2;
                field.Tag = Key(value, out var tag) ? tag : -1;
                field.Tagged = Range(range, out var tagged) ? tagged : Versions.None;
                return field.Tag < 0 ? $"tag needs a number, and '{value}' is none"
                    : field.Tagged.IsNone ? $"tag {tag} needs versions: {NoRange(range)}" : "";
            default:
                return $"'{word}' is no attribute of a field; those are: null VERSIONS, tag N VERSIONS, = DEFAULT, ignorable, never-compact";
        }
    }

    private static string NoRange(string text) => $"'{text}' is no range of versions, such as 3+, 0-12 or 4";

    private static bool Key(string text, out int key) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out key) && key <= short.MaxValue;

    private static bool Range(string text, out Versions versions) => Versions.TryParse(text, out versions);

    private void Fail(int line, string message) => _errors.Add(new SpecError(line, message));

    private sealed class Api(int key, string name, Versions versions, Versions flexible, int line)
    {
        public int Key { get; } = key;
        public string Name { get; } = name;
        public Versions Versions { get; } = versions;
        public Versions Flexible { get; } = flexible;
        public int Line { get; } = line;
        public List<string> Sections { get; } = [];
    }
}
