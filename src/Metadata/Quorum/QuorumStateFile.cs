using System.Text.Json;
using System.Text.Json.Nodes;
using Milena.Model;
using Milena.Storage;

namespace Milena.Metadata.Quorum;

/// <summary>Kafka's file <c>quorum-state</c> beside the metadata log: the epoch and the vote, as one line of JSON.</summary>
/// <remarks>Replaced as a whole, and durable when <see cref="Write"/> returns. Version 1 is written, 0 (without directory ids) is read too.</remarks>
public sealed class QuorumStateFile(IDisk disk, string folder)
{
    public const string FileName = "quorum-state";

    private const int CurrentVersion = 1;
    private const int None = -1;

    private readonly string _path = Path.Combine(folder, FileName);

    /// <summary><see cref="ElectionState.Initial"/> when there is no file.</summary>
    /// <exception cref="InvalidDataException">It cannot be read. A vote may be forgotten in it, so the replica must not take part.</exception>
    public ElectionState Read()
    {
        if (!disk.FileExists(_path))
        {
            return ElectionState.Initial;
        }

        try
        {
            return Parse(JsonNode.Parse(disk.ReadAll(_path)));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new InvalidDataException($"'{_path}' cannot be read, and with it the vote of this replica: {e.Message}", e);
        }
    }

    public void Write(ElectionState state)
    {
        var json = new JsonObject
        {
            ["leaderId"] = state.LeaderId ?? None,
            ["leaderEpoch"] = state.Epoch,
            ["votedId"] = state.Voted?.Id ?? None,
            ["votedDirectoryId"] = Uuid.ToText(state.Voted?.DirectoryId ?? Guid.Empty),
            ["data_version"] = CurrentVersion,
        };
        disk.Replace(_path, JsonSerializer.SerializeToUtf8Bytes(json), sync: true);
    }

    private ElectionState Parse(JsonNode? json)
    {
        int Number(string name) => json?[name]?.GetValue<int>() ?? throw new FormatException($"it has no {name}");
        var version = Number("data_version");
        if (version is < 0 or > CurrentVersion)
        {
            throw new FormatException($"version {version} is not known");
        }

        var directoryId = Guid.Empty;
        if (version > 0 && !Uuid.TryParse(json!["votedDirectoryId"]?.GetValue<string>(), out directoryId))
        {
            throw new FormatException("it has no valid votedDirectoryId");
        }

        var (leader, voted) = (Number("leaderId"), Number("votedId"));
        return new ElectionState(
            Number("leaderEpoch"), leader == None ? null : leader, voted == None ? null : new ReplicaKey(voted, directoryId));
    }
}
