using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Milena.Testing;

namespace Milena.Architecture.Tests;

/// <summary>A row of the table in <c>src/README.md</c>, with what lies on disk under its name.</summary>
/// <param name="MayDependOn">The rooms of its last column; all those above it where it says so.</param>
public sealed record Room(string Name, IReadOnlyList<string> MayDependOn, bool MayDependOnAll)
{
    private const string Everything = "every room above";

    /// <summary>In the order of the table.</summary>
    public static IReadOnlyList<Room> All { get; } = ReadTable(File.ReadAllLines(Checkout.PathOf("src", "README.md")));

    public string Folder => Checkout.PathOf("src", Name);

    public string Project => Path.Combine(Folder, $"{Name}.csproj");

    public string Namespace => $"Milena.{Name}";

    public IEnumerable<string> Sources => Directory.EnumerateFiles(Folder, "*.cs", SearchOption.AllDirectories)
        .Where(file => Path.GetRelativePath(Folder, file).Split(Path.DirectorySeparatorChar)[0] is not ("bin" or "obj"));

    public IEnumerable<string> ProjectReferences => ReferencesOf(Project);

    /// <summary>Those of its column, and what those may depend on.</summary>
    public IReadOnlySet<string> Reachable => MayDependOn.SelectMany(name => Named(name).Reachable.Append(name)).ToHashSet();

    /// <summary>The rooms whose types its compiled code uses.</summary>
    public IEnumerable<string> CompiledReferences => All.Select(room => room.Name)
        .Where(name => Assembly().GetReferencedAssemblies().Any(reference => reference.Name == $"Milena.{name}"));

    public static Room Named(string name) => All.Single(room => room.Name == name);

    /// <summary>The projects that a project refers to, by name.</summary>
    public static IEnumerable<string> ReferencesOf(string project) => XDocument.Load(project).Descendants("ProjectReference")
        .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')));

    public Assembly Assembly() => System.Reflection.Assembly.Load(Name == "Node" ? "milena" : Namespace);

    public override string ToString() => Name;

    private static List<Room> ReadTable(IEnumerable<string> lines)
    {
        var rooms = new List<Room>();
        foreach (var cells in lines.Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Trim('|').Split('|')))
        {
            var all = cells[2].Contains(Everything, StringComparison.Ordinal);
            var names = all ? rooms.Select(room => room.Name) : Regex.Matches(cells[2], "`([^`]+)`").Select(match => match.Groups[1].Value);
            rooms.Add(new Room(cells[0].Trim(' ', '`'), [.. names], all));
        }

        return rooms;
    }
}
