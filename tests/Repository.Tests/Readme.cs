using System.Text.RegularExpressions;
using Milena.Testing;

namespace Milena.Repository.Tests;

/// <summary>A fenced block of code, as the reader copies it.</summary>
public sealed record CodeBlock(string Language, string Text)
{
    public IEnumerable<CommandLine> Lines => Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(CommandLine.Parse);

    /// <summary>The block, talking to a node of the test's instead of the one that the reader is told to start.</summary>
    public CodeBlock At(NodeProcess node)
    {
        Assert.Contains(Readme.Address, Text, StringComparison.Ordinal);
        return this with { Text = Text.Replace(Readme.Address, node.Address, StringComparison.Ordinal) };
    }
}

/// <summary>A line of a shell block: what is run, and what the comment behind it says about it.</summary>
public sealed record CommandLine(string Command, string Comment)
{
    private const string CommentStart = " # ";

    public static CommandLine Parse(string line) => line.LastIndexOf(CommentStart, StringComparison.Ordinal) is var start and >= 0
        ? new CommandLine(line[..start].TrimEnd(), line[(start + CommentStart.Length)..].Trim())
        : new CommandLine(line.TrimEnd(), "");
}

/// <summary>README.md as it was when the tests were built.</summary>
public static partial class Readme
{
    /// <summary>Where the README's node listens.</summary>
    public const string Address = "127.0.0.1:9092";

    private static readonly string Text = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "README.md")).ReplaceLineEndings("\n");

    public static IReadOnlyList<CodeBlock> Blocks { get; } =
        [.. Block().Matches(Text).Select(match => new CodeBlock(match.Groups["language"].Value, match.Groups["text"].Value))];

    /// <summary>What stands between single backticks in the running text.</summary>
    public static IReadOnlyList<string> Quotations { get; } =
        [.. Quotation().Matches(Block().Replace(Text, "")).Select(match => match.Groups["text"].Value)];

    /// <summary>The one block that holds <paramref name="mark"/>.</summary>
    public static CodeBlock TheBlock(string language, string mark) =>
        Assert.Single(Blocks, block => block.Language == language && block.Text.Contains(mark, StringComparison.Ordinal));

    [GeneratedRegex(@"^```(?<language>\w*)\n(?<text>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex("`(?<text>[^`\n]+)`")]
    private static partial Regex Quotation();
}
