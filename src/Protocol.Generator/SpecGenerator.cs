using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace Milena.Protocol.Generator;

/// <summary>Turns every .spec file of a project into codecs, and all of them together into the catalog of APIs.</summary>
/// <remarks>A file is parsed and emitted again only when its own text changes, the catalog only when an API comes, goes or is renamed.</remarks>
[Generator(LanguageNames.CSharp)]
public sealed class SpecGenerator : IIncrementalGenerator
{
    /// <summary>The names of the steps by which tests see what was done again.</summary>
    public const string ParseStep = "Parse";

    public const string ClashesStep = "Clashes";
    public const string CatalogStep = "Catalog";

    private static readonly DiagnosticDescriptor WrongSpec = new(
        "MILENA001", "Wrong message spec", "{0}", "Milena.Protocol", DiagnosticSeverity.Error, isEnabledByDefault: true);

    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var files = context.AdditionalTextsProvider
            .Where(file => file.Path.EndsWith(".spec", StringComparison.Ordinal))
            .Select((file, cancelled) => SpecFile.Parse(file.Path, file.GetText(cancelled)?.ToString()))
            .WithTrackingName(ParseStep);
        var clashes = files.SelectMany((file, _) => file.Names)
            .Collect()
            .Select((names, _) => new Clashes(names))
            .WithTrackingName(ClashesStep);
        var apis = files.SelectMany((file, _) => file.Apis).Collect().WithTrackingName(CatalogStep);
        context.RegisterSourceOutput(files.Combine(clashes), (output, pair) => EmitMessages(output, pair.Left, pair.Right));
        context.RegisterSourceOutput(apis, EmitCatalog);
    }

    private static void EmitMessages(SourceProductionContext context, SpecFile file, Clashes clashes)
    {
        var errors = file.Errors.Concat(clashes.In(file.Path)).ToList();
        foreach (var error in errors)
        {
            var position = new LinePosition(error.Line - 1, 0);
            context.ReportDiagnostic(Diagnostic.Create(WrongSpec, Location.Create(file.Path, default, new LinePositionSpan(position, position)), error.Message));
        }

        if (errors.Count == 0)
        {
            foreach (var message in file.Messages)
            {
                context.AddSource($"{message.Name}.g.cs", SourceText.From(MessageEmitter.Emit(message), Encoding.UTF8));
            }
        }
    }

    private static void EmitCatalog(SourceProductionContext context, ImmutableArray<(string Kind, int Key, string Name)> apis)
    {
        if (apis.Length > 0)
        {
            context.AddSource("ApiCatalog.g.cs", SourceText.From(CatalogEmitter.Emit([.. apis.Distinct()]), Encoding.UTF8));
        }
    }

    /// <summary>A parsed file. Equal when path and text are, so that an unchanged spec is not emitted again.</summary>
    private sealed class SpecFile : IEquatable<SpecFile>
    {
        private readonly string? _text;

        private SpecFile(string path, string? text, IReadOnlyList<MessageSpec> messages, IReadOnlyList<SpecError> errors) =>
            (Path, _text, Messages, Errors) = (path, text, messages, errors);

        public string Path { get; }
        public IReadOnlyList<MessageSpec> Messages { get; }
        public IReadOnlyList<SpecError> Errors { get; }

        public IEnumerable<(string Kind, int Key, string Name)> Apis => Errors.Count > 0
            ? []
            : Messages.Where(message => message.Kind is "request" or "response").Select(message => (message.Kind, message.ApiKey, message.Name));

        public IEnumerable<(string Path, int Line, string Kind, int Key, string Name)> Names => Errors.Count > 0
            ? []
            : Messages.Select(message => (Path, message.Line, message.Kind, message.ApiKey, message.Name));

        public static SpecFile Parse(string path, string? text)
        {
            if (text is null)
            {
                return new SpecFile(path, text, [], [new SpecError(1, "the file cannot be read")]);
            }

            var (messages, errors) = SpecParser.Parse(text);
            return new SpecFile(path, text, messages, errors);
        }

        public bool Equals(SpecFile? other) => other is not null && other.Path == Path && other._text == _text;

        public override bool Equals(object? obj) => Equals(obj as SpecFile);

        public override int GetHashCode() => Path.GetHashCode() ^ (_text?.GetHashCode() ?? 0);
    }

    /// <summary>Messages of several files that share a name or an API key: mostly none, and equal when nothing about them changed.</summary>
    private sealed class Clashes : IEquatable<Clashes>
    {
        private readonly List<(string Path, int Line, string Message)> _clashes = [];

        public Clashes(ImmutableArray<(string Path, int Line, string Kind, int Key, string Name)> names)
        {
            foreach (var same in names.GroupBy(one => one.Name).Where(same => same.Count() > 1))
            {
                _clashes.AddRange(same.Skip(1).Select(one => (one.Path, one.Line, $"{one.Name} is already defined in {same.First().Path}")));
            }

            foreach (var same in names.Where(one => one.Kind == "request").GroupBy(one => one.Key).Where(same => same.Count() > 1))
            {
                _clashes.AddRange(same.Skip(1).Where(one => one.Name != same.First().Name)
                    .Select(one => (one.Path, one.Line, $"API key {one.Key} of {one.Name} is already that of {same.First().Name}")));
            }
        }

        public IEnumerable<SpecError> In(string path) => _clashes.Where(one => one.Path == path).Select(one => new SpecError(one.Line, one.Message));

        public bool Equals(Clashes? other) => other is not null && _clashes.SequenceEqual(other._clashes);

        public override bool Equals(object? obj) => Equals(obj as Clashes);

        public override int GetHashCode() => _clashes.Count;
    }
}
