using System.Buffers.Binary;
using Milena.Coordinators.Groups;
using Milena.Coordinators.Runtime;
using Milena.Protocol;

namespace Milena.Coordinators.Tests.Groups;

/// <summary>A request on its way: its answer, once there is one.</summary>
internal sealed class Ticket(int number, IRequestMessage request, short apiKey, short version)
{
    public IRequestMessage Request { get; } = request;
    public int Number { get; } = number;
    public short ApiKey { get; } = apiKey;
    public short Version { get; } = version;
    public IResponseMessage? Response { get; set; }

    public bool IsAnswered => Response is not null;

    public T Answer<T>()
        where T : class, IResponseMessage => Assert.IsType<T>(Response);
}

/// <summary>
/// Drives a coordinator in virtual time. Requests, answers and records pass through their codecs, a request's bytes are overwritten after
/// the call, and every record is replayed into a second coordinator, which must then agree with the first.
/// </summary>
internal sealed class GroupHarness
{
    private readonly GroupSettings _settings;
    private readonly Random _random;
    private readonly CoordinatorEffects _effects = new();
    private readonly Dictionary<TimerName, DateTimeOffset> _timers = [];
    private readonly Dictionary<string, GroupSnapshot> _recorded = [];
    private readonly List<(byte[] Key, byte[]? Value)> _log = [];
    private readonly List<Ticket> _tickets = [];
    private readonly GroupCoordinator _replica;

    public GroupHarness(GroupSettings? settings = null, int seed = 1)
    {
        _settings = settings ?? new GroupSettings();
        _random = new Random(seed);
        _replica = New();
        Live = New();
        Live.Loaded(Now, _effects);
        Settle();
    }

    public GroupCoordinator Live { get; private set; }

    public DateTimeOffset Now { get; private set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public IReadOnlyList<(byte[] Key, byte[]? Value)> Log => _log;

    public IReadOnlyList<Ticket> Tickets => _tickets;

    public IReadOnlyDictionary<TimerName, DateTimeOffset> Timers => _timers;

    /// <summary>The records of the last step.</summary>
    public List<CoordinatorRecord> LastRecords { get; } = [];

    /// <summary>How many timers were set or cancelled since the start.</summary>
    public int TimerCalls { get; private set; }

    public int Failovers { get; private set; }

    /// <summary>The topics that there are: names and ids are filled in from here, as the caller of the coordinator does.</summary>
    public Dictionary<string, Guid> TopicIds { get; } = [];

    public event Action<Ticket>? Answered;

    public Ticket Send(IRequestMessage request, short version, string clientId = "client", string clientHost = "/10.0.0.1")
    {
        var apiKey = (short)(ApiKey)Enum.Parse(typeof(ApiKey), request.GetType().Name[..^"Request".Length]);
        var bytes = Encode(request, version);
        Assert.True(ApiCatalog.TryReadRequest(apiKey, version, bytes, out var decoded), $"{request.GetType().Name} v{version} does not decode.");
        Resolve(decoded);
        var ticket = new Ticket(_tickets.Count, request, apiKey, version);
        _tickets.Add(ticket);
        Live.Handle(new CoordinatorRequest(decoded, version, clientId, clientHost, ticket), Now, _effects);
        Array.Fill(bytes, (byte)0xEE);
        Settle();
        return ticket;
    }

    /// <summary>Lets time pass, firing the timers that fall due in their order.</summary>
    public void Advance(TimeSpan time)
    {
        var until = Now + time;
        while (_timers.Count > 0 && _timers.MinBy(timer => timer.Value) is var (name, due) && due <= until)
        {
            Now = due > Now ? due : Now;
            _timers.Remove(name);
            Fire(name);
        }

        Now = until;
    }

    /// <summary>Lets time pass from timer to timer until all are answered.</summary>
    public void AdvanceUntilAnswered(params Ticket[] tickets)
    {
        while (!tickets.All(ticket => ticket.IsAnswered))
        {
            Assert.True(_timers.Count > 0, "Nobody will answer any more.");
            var next = _timers.Values.Min();
            Advance(next > Now ? next - Now : TimeSpan.Zero);
        }
    }

    public void Fire(TimerName timer)
    {
        Live.TimerFired(timer, Now, _effects);
        Settle();
    }

    public int DeleteTopics(params DeletedTopic[] topics)
    {
        var removed = Live.TopicsDeleted(topics, Now, _effects);
        Settle();
        return removed;
    }

    /// <summary>Another node takes over: it has the log and nothing else.</summary>
    public void FailOver(GroupSettings? settings = null)
    {
        Failovers++;
        Live.Unload(Now, _effects);
        Assert.Empty(_effects.Records);
        Deliver();
        _timers.Clear();
        _effects.Clear();
        Live = Replayed(settings);
        Assert.Equal(_replica.Snapshot(), Live.Snapshot());
        _recorded.Clear();
        foreach (var group in Live.Snapshot())
        {
            _recorded[group.GroupId] = group;
        }

        Live.Loaded(Now, _effects);
        Settle();
    }

    public GroupCoordinator Replayed(GroupSettings? settings = null)
    {
        var coordinator = New(settings);
        foreach (var (key, value) in _log)
        {
            coordinator.Replay(key, value is null ? (ReadOnlyMemory<byte>?)null : value, Now);
        }

        return coordinator;
    }

    public GroupSnapshot Group(string groupId) => Live.Snapshot().Single(group => group.GroupId == groupId);

    public static byte[] Encode(IMessage message, short version)
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        message.Write(ref writer, version);
        return buffer.ToArray();
    }

    private static byte[] WithPrefix(short prefix, byte[] body)
    {
        var bytes = new byte[sizeof(short) + body.Length];
        BinaryPrimitives.WriteInt16BigEndian(bytes, prefix);
        body.CopyTo(bytes, sizeof(short));
        return bytes;
    }

    private GroupCoordinator New(GroupSettings? settings = null) => new(settings ?? _settings, NewGuid);

    private Guid NewGuid()
    {
        var bytes = new byte[16];
        _random.NextBytes(bytes);
        return new Guid(bytes);
    }

    private void Resolve(IRequestMessage request)
    {
        string NameOf(string name, Guid id) => id == Guid.Empty ? name : TopicIds.Single(topic => topic.Value == id).Key;
        if (request is OffsetCommitRequest commit)
        {
            commit.Topics.ForEach(topic => topic.Name = NameOf(topic.Name, topic.TopicId));
            commit.Topics.ForEach(topic => topic.TopicId = TopicIds.GetValueOrDefault(topic.Name));
        }
        else if (request is OffsetFetchRequest fetch)
        {
            foreach (var topic in fetch.Groups.SelectMany(group => group.Topics ?? []))
            {
                topic.Name = NameOf(topic.Name, topic.TopicId);
                topic.TopicId = TopicIds.GetValueOrDefault(topic.Name);
            }
        }
    }

    private void Settle()
    {
        LastRecords.Clear();
        LastRecords.AddRange(_effects.Records);
        foreach (var record in LastRecords)
        {
            Replay(record);
        }

        foreach (var (timer, due) in _effects.Timers)
        {
            TimerCalls++;
            if (due is { } time)
            {
                Assert.True(time >= TimeSpan.Zero, $"{timer} is set to the past.");
                _timers[timer] = Now + time;
            }
            else
            {
                _timers.Remove(timer);
            }
        }

        Deliver();
        _effects.Clear();
        Compare();
    }

    private void Replay(in CoordinatorRecord record)
    {
        var key = WithPrefix(record.KeyType, Encode(record.Key, 0));
        var value = record.Value is null ? null : WithPrefix(record.ValueVersion, Encode(record.Value, record.ValueVersion));
        _log.Add((key, value));
        var (keyCopy, valueCopy) = (key.ToArray(), value?.ToArray());
        _replica.Replay(keyCopy, valueCopy is null ? (ReadOnlyMemory<byte>?)null : valueCopy, Now);
        Array.Fill(keyCopy, (byte)0xEE);
        Array.Fill(valueCopy ?? [], (byte)0xEE);
        Assert.Equal((0, 0), (_replica.UnknownRecords, _replica.MalformedRecords));
        if (record.Key is GroupMetadataKey { Group: var groupId })
        {
            _recorded.Remove(groupId);
            if (record.Value is not null)
            {
                _recorded[groupId] = _replica.Snapshot().Single(group => group.GroupId == groupId);
            }
        }
    }

    private void Deliver()
    {
        foreach (var (replyTo, response) in _effects.Replies)
        {
            var ticket = Assert.IsType<Ticket>(replyTo);
            Assert.False(ticket.IsAnswered, $"Request {ticket.Number} is answered twice.");
            var bytes = Encode(response, ticket.Version);
            Assert.True(ApiCatalog.TryReadResponse(ticket.ApiKey, ticket.Version, bytes, out var decoded), "An answer does not decode.");
            ticket.Response = decoded;
            Answered?.Invoke(ticket);
        }
    }

    /// <summary>A settled group is what its records say; one that is between generations is recorded as it was before.</summary>
    private void Compare()
    {
        var (live, replayed) = (Live.Snapshot(), _replica.Snapshot());
        Assert.Equal(live.Select(group => group.GroupId), replayed.Select(group => group.GroupId));
        foreach (var (ours, theirs) in live.Zip(replayed))
        {
            Assert.Equal(ours.Offsets, theirs.Offsets);
            if (ours.State is GroupState.Stable or GroupState.Empty)
            {
                Assert.Equal(ours, theirs);
            }
            else if (_recorded.TryGetValue(ours.GroupId, out var recorded))
            {
                Assert.Equal(recorded with { Offsets = theirs.Offsets }, theirs);
            }
        }
    }
}
