using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace Milena.Protocol.Generator;

/// <summary>Turns every .spec file of a project into codecs, and all of them together into the catalog of APIs.</summary>
[Generator(LanguageNames.CSharp)]
public sealed class SpecGenerator : IIncrementalGenerator
{
    private static readonly DiagnosticDescriptor WrongSpec = new(
        "MILENA001", "Wrong message spec", "{0}", "Milena.Protocol", DiagnosticSeverity.Error, isEnabledByDefault: true);

    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var specs = context.AdditionalTextsProvider
            .Where(file => file.Path.EndsWith(".spec", StringComparison.Ordinal))
            .Select((file, cancelled) => new SpecFile(file.Path, file.GetText(cancelled)?.ToString() ?? ""));
        context.RegisterSourceOutput(specs, EmitMessages);
        context.RegisterSourceOutput(specs.Collect(), EmitCatalog);
    }

    private static void EmitMessages(SourceProductionContext context, SpecFile file)
    {
        var (messages, errors) = SpecParser.Parse(file.Text);
        foreach (var error in errors)
        {
            var position = new LinePosition(error.Line - 1, 0);
            context.ReportDiagnostic(Diagnostic.Create(WrongSpec, Location.Create(file.Path, default, new LinePositionSpan(position, position)), error.Message));
        }

        if (errors.Count == 0)
        {
            foreach (var message in messages)
            {
                context.AddSource($"{message.Name}.g.cs", SourceText.From(MessageEmitter.Emit(message), Encoding.UTF8));
            }
        }
    }

    private static void EmitCatalog(SourceProductionContext context, ImmutableArray<SpecFile> files)
    {
        var messages = new List<MessageSpec>();
        foreach (var file in files)
        {
            var (parsed, errors) = SpecParser.Parse(file.Text);
            if (errors.Count > 0)
            {
                return;
            }

            messages.AddRange(parsed);
        }

        if (messages.Any(message => message.Kind == "request"))
        {
            context.AddSource("ApiCatalog.g.cs", SourceText.From(CatalogEmitter.Emit(messages), Encoding.UTF8));
        }
    }

    /// <summary>Equal when path and text are, so that an unchanged spec is not emitted again.</summary>
    private sealed class SpecFile(string path, string text) : IEquatable<SpecFile>
    {
        public string Path { get; } = path;
        public string Text { get; } = text;

        public bool Equals(SpecFile? other) => other is not null && other.Path == Path && other.Text == Text;

        public override bool Equals(object? obj) => Equals(obj as SpecFile);

        public override int GetHashCode() => Path.GetHashCode() ^ Text.GetHashCode();
    }
}
