using System.Text.RegularExpressions;
using Milena.Testing;

namespace Milena.Architecture.Tests;

/// <summary>Holds the rooms of <c>src/</c> to the table of <c>src/README.md</c>.</summary>
public sealed partial class RoomTests
{
    private const int MaxLinesOfFile = 600;

    public static TheoryData<string> Rooms() => new(Room.All.Select(room => room.Name));

    /// <summary>Those whose code is loaded at run time.</summary>
    public static TheoryData<string> CompiledRooms() => new(Room.All.Select(room => room.Name).Where(name => name != "Protocol.Generator"));

    [Fact]
    public void The_table_names_the_folders_of_src()
    {
        // A room of another branch leaves what was built of it.
        var folders = Directory.GetDirectories(Checkout.PathOf("src"))
            .Where(folder => Directory.GetFileSystemEntries(folder).Any(path => Path.GetFileName(path) is not ("bin" or "obj")))
            .Select(path => Path.GetFileName(path));
        Assert.Equal(folders.Order(StringComparer.Ordinal), Room.All.Select(room => room.Name).Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_room_is_one_project_of_its_name_with_a_page(string name)
    {
        var room = Room.Named(name);
        Assert.Equal([room.Project], Directory.GetFiles(room.Folder, "*.csproj", SearchOption.AllDirectories));
        Assert.True(File.Exists(Path.Combine(room.Folder, "README.md")), $"src/{name} has no README.md.");
    }

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_room_depends_on_rooms_above_it(string name)
    {
        var above = Room.All.Select(room => room.Name).TakeWhile(above => above != name);
        Assert.Empty(Room.Named(name).MayDependOn.Except(above));
    }

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_rooms_project_references_are_its_last_column(string name)
    {
        var room = Room.Named(name);
        if (room.MayDependOnAll)
        {
            Assert.Empty(room.ProjectReferences.Except(room.MayDependOn));
        }
        else
        {
            Assert.Equal(room.MayDependOn.Order(StringComparer.Ordinal), room.ProjectReferences.Order(StringComparer.Ordinal));
        }
    }

    [Theory]
    [MemberData(nameof(CompiledRooms))]
    public void Compiled_code_uses_no_other_rooms_than_it_may(string name) => Assert.Empty(Room.Named(name).CompiledReferences.Except(Room.Named(name).Reachable));

    [Fact]
    public void Only_the_program_may_depend_on_every_room()
    {
        Assert.Equal(["Node"], Room.All.Where(room => room.MayDependOnAll).Select(room => room.Name));
        Assert.Equal("Node", Room.All[^1].Name);
        Assert.All(Room.All.SkipLast(1), room => Assert.NotEmpty(Room.All.SkipLast(1).Select(other => other.Name).Except(room.ProjectReferences).Except([room.Name])));
    }

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_namespace_is_its_folder_or_one_above_it_within_the_room(string name)
    {
        var room = Room.Named(name);
        Assert.All(room.Sources, file =>
        {
            var folder = Path.GetRelativePath(room.Folder, Path.GetDirectoryName(file)!);
            var ofFolder = folder == "." ? room.Namespace : $"{room.Namespace}.{folder.Replace(Path.DirectorySeparatorChar, '.')}";
            // The program's entry file declares none.
            var declared = Namespace().Match(File.ReadAllText(file)) is { Success: true } match ? match.Groups[1].Value : room.Namespace;
            Assert.True(
                declared.StartsWith(room.Namespace, StringComparison.Ordinal) && $"{ofFolder}.".StartsWith($"{declared}.", StringComparison.Ordinal),
                $"{file} is of namespace {declared}, not {ofFolder}.");
        });
    }

    [Theory]
    [MemberData(nameof(Rooms))]
    public void No_file_is_longer_than_a_reader_bears(string name) => Assert.All(Room.Named(name).Sources, file =>
    {
        var lines = File.ReadLines(file).Count();
        Assert.True(lines <= MaxLinesOfFile, $"{file} has {lines} lines, and may have {MaxLinesOfFile}.");
    });

    [Fact]
    public void The_solution_holds_every_project()
    {
        var projects = new[] { "src", "tests" }.SelectMany(folder => Directory.GetDirectories(Checkout.PathOf(folder)))
            .SelectMany(folder => Directory.GetFiles(folder, "*.csproj")).Select(path => Path.GetRelativePath(Checkout.Root, path).Replace('\\', '/'));
        var solution = File.ReadAllText(Checkout.PathOf("Cluster.sln")).Replace('\\', '/');
        Assert.All(projects, project => Assert.True(
            solution.Contains($"\"{project}\"", StringComparison.Ordinal), $"{project} is not in Cluster.sln: neither its build nor its tests count."));
    }

    [GeneratedRegex(@"^namespace\s+([\w.]+)", RegexOptions.Multiline)]
    private static partial Regex Namespace();
}
