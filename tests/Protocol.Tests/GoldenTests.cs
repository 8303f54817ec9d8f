using System.Reflection;
using System.Text.Json;

namespace Milena.Protocol.Tests;

/// <summary>Holds every codec to bytes that the released Java library wrote, in both directions.</summary>
public sealed class GoldenTests
{
    private static readonly string Reference = Path.Combine(AppContext.BaseDirectory, "Reference");

    public static TheoryData<string> Files()
    {
        var files = new TheoryData<string>();
        foreach (var file in Directory.GetFiles(Reference, "*.jsonl", SearchOption.AllDirectories).Order())
        {
            files.Add(Path.GetRelativePath(Reference, file));
        }

        return files;
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_golden_case_is_read_and_written_byte_for_byte(string file)
    {
        var type = TypeOf(file);
        foreach (var line in File.ReadLines(Path.Combine(Reference, file)))
        {
            using var golden = JsonDocument.Parse(line);
            var version = golden.RootElement.GetProperty("version").GetInt16();
            if (version > (short)type.GetField("HighestVersion")!.GetValue(null)!)
            {
                continue;
            }

            var bytes = Convert.FromHexString(golden.RootElement.GetProperty("hex").GetString()!);
            Assert.True(Read(type, bytes, version, out var message), $"{type.Name} v{version} cannot be read");
            AssertEqual(golden.RootElement.GetProperty("value"), message!, $"{type.Name} v{version}");
            using var buffer = new MessageBuffer();
            var writer = new ProtocolWriter(buffer);
            message!.Write(ref writer, version);
            Assert.Equal(Convert.ToHexString(bytes), Convert.ToHexString(buffer.Written.Span));
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void A_golden_case_cut_short_is_refused_and_never_throws(string file)
    {
        var type = TypeOf(file);
        foreach (var line in File.ReadLines(Path.Combine(Reference, file)).Take(4))
        {
            using var golden = JsonDocument.Parse(line);
            var version = golden.RootElement.GetProperty("version").GetInt16();
            var bytes = Convert.FromHexString(golden.RootElement.GetProperty("hex").GetString()!);
            for (var length = 0; length < bytes.Length; length++)
            {
                Assert.False(Read(type, bytes.AsMemory(0, length), version, out _), $"{type.Name} v{version} was read from {length} of {bytes.Length} bytes");
            }
        }
    }

    [Fact]
    public void The_cases_cover_every_api_that_has_a_codec()
    {
        var covered = Directory.GetFiles(Path.Combine(Reference, "messages")).Select(Path.GetFileNameWithoutExtension).ToHashSet();
        Assert.True(ApiCatalog.All.Count >= 70);
        Assert.All(ApiCatalog.All, api => Assert.Contains(api.Name + "Request", covered));
        Assert.All(ApiCatalog.All, api => Assert.Contains(api.Name + "Response", covered));
    }

    [Fact]
    public void Version_ranges_are_those_of_the_reference()
    {
        using var reference = JsonDocument.Parse(File.ReadAllText(Path.Combine(Reference, "api-keys.json")));
        var expected = reference.RootElement.GetProperty("apis").EnumerateArray()
            .Where(api => api.GetProperty("min").ValueKind == JsonValueKind.Number)
            .Select(api => (api.GetProperty("key").GetInt16(), api.GetProperty("name").GetString(), api.GetProperty("min").GetInt16(), api.GetProperty("max").GetInt16()));
        Assert.Equal(expected.OrderBy(api => api.Item1), ApiCatalog.All.Select(api => (api.Key, (string?)api.Name, api.MinVersion, api.MaxVersion)));
    }

    [Fact]
    public void Error_codes_are_those_of_the_reference()
    {
        using var reference = JsonDocument.Parse(File.ReadAllText(Path.Combine(Reference, "errors.json")));
        var expected = reference.RootElement.GetProperty("errors").EnumerateArray()
            .Select(error => (error.GetProperty("code").GetInt16(), error.GetProperty("name").GetString()!.Replace("_", "").ToUpperInvariant()));
        Assert.Equal(expected.Order(), Enum.GetValues<Model.ErrorCode>().Select(code => ((short)code, code.ToString().ToUpperInvariant())).Order());
    }

    private static Type TypeOf(string file)
    {
        var name = Path.GetFileNameWithoutExtension(file);
        return typeof(IMessage).Assembly.GetType($"Milena.Protocol.{name}") ?? throw new InvalidDataException($"{name} has golden cases and no codec");
    }

    private static bool Read(Type type, ReadOnlyMemory<byte> body, short version, out IMessage? message)
    {
        var method = type.GetMethod("TryRead", [typeof(ReadOnlyMemory<byte>), typeof(short), type.MakeByRefType()])!;
        var arguments = new object?[] { body, version, null };
        var read = (bool)method.Invoke(null, arguments)!;
        message = (IMessage?)arguments[2];
        return read;
    }

    private static void AssertEqual(JsonElement expected, object actual, string path)
    {
        foreach (var field in expected.EnumerateObject())
        {
            var name = char.ToUpperInvariant(field.Name[0]) + field.Name[1..];
            var property = actual.GetType().GetProperty(name, BindingFlags.Public | BindingFlags.Instance);
            Assert.True(property is not null, $"{path} has no {name}");
            AssertValue(field.Value, property.GetValue(actual), $"{path}.{name}");
        }
    }

    private static void AssertValue(JsonElement expected, object? actual, string path)
    {
        switch (actual)
        {
            case null:
                Assert.True(expected.ValueKind == JsonValueKind.Null, $"{path} is null");
                break;
            case Records { IsNull: true }:
                Assert.True(expected.ValueKind == JsonValueKind.Null, $"{path} is null");
                break;
            case Records records:
                Assert.Equal(expected.GetBytesFromBase64(), records.Memory.ToArray());
                break;
            case ReadOnlyMemory<byte> bytes:
                Assert.Equal(expected.GetBytesFromBase64(), bytes.ToArray());
                break;
            case string text:
                Assert.Equal(expected.GetString(), text);
                break;
            case Guid id:
                Assert.Equal(expected.GetString(), Convert.ToBase64String(id.ToByteArray(bigEndian: true)).TrimEnd('=').Replace('+', '-').Replace('/', '_'));
                break;
            case bool flag:
                Assert.Equal(expected.GetBoolean(), flag);
                break;
            case double number:
                Assert.Equal(expected.GetDouble(), number);
                break;
            case System.Collections.IList list:
                Assert.Equal(expected.GetArrayLength(), list.Count);
                foreach (var (item, index) in expected.EnumerateArray().Select((item, index) => (item, index)))
                {
                    AssertValue(item, list[index], $"{path}[{index}]");
                }

                break;
            case sbyte or short or ushort or int or uint or long or Model.ErrorCode:
                Assert.Equal(expected.GetInt64(), Convert.ToInt64(actual, System.Globalization.CultureInfo.InvariantCulture));
                break;
            default:
                AssertEqual(expected, actual, path);
                break;
        }
    }
}
