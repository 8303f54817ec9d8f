using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Milena.Repository.Tests;

/// <summary>Compiles and runs a program of top-level statements, as a new console project would with the packages of this test.</summary>
internal static class CSharpProgram
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(1);

    private const string ImplicitUsings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    /// <returns>What it wrote to the console.</returns>
    public static async Task<string> RunAsync(string source)
    {
        var entryPoint = Compile(source).EntryPoint!;
        var standardOutput = Console.Out;
        var output = new StringWriter();
        Console.SetOut(TextWriter.Synchronized(output));
        try
        {
            await Task.Run(() => entryPoint.Invoke(null, [Array.Empty<string>()])).WaitAsync(Timeout);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"The program did not end within {Timeout}; it printed '{output}'.");
        }
        finally
        {
            Console.SetOut(standardOutput);
        }

        return output.ToString();
    }

    private static Assembly Compile(string source)
    {
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!)
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Select(path => MetadataReference.CreateFromFile(path));
        var compilation = CSharpCompilation.Create(
            "readme",
            [CSharpSyntaxTree.ParseText(ImplicitUsings), CSharpSyntaxTree.ParseText(source)],
            references,
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        var assembly = new MemoryStream();
        var result = compilation.Emit(assembly);
        Assert.True(result.Success, string.Join('\n', result.Diagnostics.Where(problem => problem.Severity == DiagnosticSeverity.Error)));
        return Assembly.Load(assembly.ToArray());
    }
}
