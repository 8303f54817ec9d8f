using System.Reflection;
using System.Runtime.Loader;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;
using Milena.Protocol.Generator;

namespace Milena.Generator.Tests;

/// <summary>Runs the generator over specs that a test wrote, as a build would.</summary>
internal static class Generating
{
    private static readonly MetadataReference[] References =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(path => MetadataReference.CreateFromFile(path)),
    ];

    /// <summary>A driver that keeps its steps' reasons for <see cref="GeneratorRunResult.TrackedSteps"/>.</summary>
    public static GeneratorDriver Driver(params IEnumerable<SpecText> specs) => CSharpGeneratorDriver.Create(
        [new SpecGenerator().AsSourceGenerator()],
        specs,
        driverOptions: new GeneratorDriverOptions(IncrementalGeneratorOutputKind.None, trackIncrementalGeneratorSteps: true));

    public static CSharpCompilation Compilation(string source = "") => CSharpCompilation.Create(
        "Generated" + Guid.NewGuid().ToString("N"),
        [CSharpSyntaxTree.ParseText(source)],
        References,
        new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable));

    public static IReadOnlyList<Diagnostic> Diagnostics(params IEnumerable<SpecText> specs) =>
        Driver(specs).RunGenerators(Compilation()).GetRunResult().Diagnostics;

    /// <summary>Compiles a spec together with a class Probe, and gives what its method Run returns.</summary>
    public static string Run(string spec, string body)
    {
        var source = $$"""
            using System;
            using System.Linq;
            using Milena.Model;
            using Milena.Protocol;

            public static class Probe
            {
                public static string Run()
                {
                    {{body}}
                }

                private static string Hex(IMessage message, short version)
                {
                    using var buffer = new MessageBuffer();
                    var writer = new ProtocolWriter(buffer);
                    message.Write(ref writer, version);
                    return Convert.ToHexString(buffer.ToArray());
                }
            }
            """;
        Driver(new SpecText("probe.spec", spec)).RunGeneratorsAndUpdateCompilation(Compilation(source), out var compilation, out var diagnostics);
        Assert.Empty(diagnostics);
        using var image = new MemoryStream();
        var emitted = compilation.Emit(image);
        Assert.True(emitted.Success, string.Join('\n', emitted.Diagnostics));
        image.Position = 0;
        var context = new AssemblyLoadContext("probe", isCollectible: true);
        try
        {
            var run = context.LoadFromStream(image).GetType("Probe")!.GetMethod("Run")!;
            return (string)run.Invoke(null, BindingFlags.DoNotWrapExceptions, null, null, null)!;
        }
        finally
        {
            context.Unload();
        }
    }
}

/// <summary>A spec that lies nowhere.</summary>
internal sealed class SpecText(string path, string? text) : AdditionalText
{
    public override string Path => path;

    public override SourceText? GetText(CancellationToken cancellationToken = default) => text is null ? null : SourceText.From(text);
}
