using Milena.Protocol.Generator;

namespace Milena.Protocol.Tests;

/// <summary>The specs of the Protocol room, read by the generator's own parser.</summary>
internal static class Specs
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Spec");

    public static IReadOnlyList<string> Files { get; } =
        [.. Directory.GetFiles(Folder, "*.spec", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(Folder, file)).Order(StringComparer.Ordinal)];

    public static IReadOnlyDictionary<string, MessageSpec> Messages { get; } = Files.SelectMany(Read).ToDictionary(message => message.Name);

    public static IReadOnlyList<MessageSpec> Read(string file)
    {
        var (messages, errors) = SpecParser.Parse(File.ReadAllText(Path.Combine(Folder, file)));
        return errors.Count == 0 ? messages : throw new InvalidDataException($"{file}({errors[0].Line}): {errors[0].Message}");
    }

    public static string StructName(FieldSpec definition) => definition.Type == "struct" ? definition.Name : definition.Type;
}
