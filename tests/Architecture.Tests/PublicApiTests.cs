using Milena.Testing;
using PublicApiGenerator;

namespace Milena.Architecture.Tests;

/// <summary>Pins what other code may already build on, so that a change of it is seen in review and not found out.</summary>
public sealed class PublicApiTests
{
    [Theory]
    [InlineData("Model")]
    public void The_public_api_is_the_approved_one(string name)
    {
        var options = new ApiGeneratorOptions { IncludeAssemblyAttributes = false };
        var actual = Room.Named(name).Assembly().GeneratePublicApi(options).ReplaceLineEndings("\n").TrimEnd() + "\n";
        var approvedFile = Checkout.PathOf("tests", "Architecture.Tests", $"Milena.{name}.approved.txt");
        var approved = File.ReadAllText(approvedFile).ReplaceLineEndings("\n");
        if (actual == approved)
        {
            return;
        }

        var received = Path.Combine(AppContext.BaseDirectory, $"Milena.{name}.received.txt");
        File.WriteAllText(received, actual);
        string[] was = approved.Split('\n'), now = actual.Split('\n');
        var changes = was.Except(now).Select(line => "-" + line).Concat(now.Except(was).Select(line => "+" + line));
        Assert.Fail($"The public API of Milena.{name} changed:\n{string.Join('\n', changes)}\nIf it should: cp {received} {approvedFile}");
    }
}
