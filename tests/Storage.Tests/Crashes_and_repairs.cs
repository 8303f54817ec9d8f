using Milena.Model;
using Milena.Testing;

namespace Milena.Storage.Tests;

/// <summary>Seeded runs of everything a log's writer does, with crashes in between, against a list of batches.</summary>
public sealed class Crashes_and_repairs
{
    private const int Steps = 150;
    private const int Producers = 3;

    public static TheoryData<int> Seeds() => new(TestProfile.Seeds(usual: 60, nightly: 6_000));

    [Theory]
    [MemberData(nameof(Seeds))]
    public void The_log_is_a_prefix_of_what_was_appended_and_what_was_synced_survives(int seed) => new Run(seed).Go();

    [Fact]
    public void What_a_crash_brings_back_has_the_epochs_of_its_batches_whatever_was_noted_of_those_that_replaced_it()
    {
        var fixture = new LogFixture();
        fixture.Append(Batches.Plain(5), leaderEpoch: 1);
        fixture.Log.Dispose();
        // The records that an earlier leader had written were cut at 1, and others appended there: of all that only the epochs reached the disk.
        fixture.Disk.SetContent(Path.Combine(LogFixture.Folder, LogFiles.LeaderEpochs), "0\n2\n0 0\n2 1\n"u8.ToArray());
        var log = fixture.Open(cleanShutdown: false);
        Assert.Equal(new EpochStart(1, 0), Assert.Single(log.LeaderEpochs.Starts));
        Assert.Equal(5, log.LogEndOffset);
        log.Close();
        Assert.Equal(new EpochStart(1, 0), Assert.Single(fixture.Open(cleanShutdown: true).LeaderEpochs.Starts));
    }

    [Fact]
    public void A_segment_of_an_earlier_epoch_than_the_one_before_it_is_what_a_truncation_took_away()
    {
        var fixture = new LogFixture(new LogSettings { SegmentBytes = 150 });
        fixture.Append(Batches.Plain(2), leaderEpoch: 2);
        var old = new LogFixture(fixture.Settings);
        old.Append(Batches.Plain(2), leaderEpoch: 1);
        old.Append(Batches.Plain(3), leaderEpoch: 1);
        Assert.Equal(2, old.Log.SegmentCount);
        fixture.Log.Dispose();
        var second = LogFiles.Path(LogFixture.Folder, 2, LogFiles.LogSuffix);
        fixture.Disk.SetContent(second, old.Disk.Content(second));
        var log = fixture.Open(cleanShutdown: false);
        Assert.Equal(2, log.LogEndOffset);
        Assert.Contains("earlier leader epoch", log.Recovery.CutReason, StringComparison.Ordinal);
        Assert.Equal(new EpochStart(2, 0), Assert.Single(log.LeaderEpochs.Starts));
    }

    [Fact]
    public void No_part_of_a_checkpoint_passes_for_all_of_it()
    {
        var disk = new FaultyDisk();
        disk.CreateFolder("/data");
        TextCheckpoint.Write(disk, "/data/epochs", ["3 0", "5 58"], sync: true);
        var whole = disk.ReadAll("/data/epochs");
        Assert.Equal(["3 0", "5 58"], TextCheckpoint.TryRead(disk, "/data/epochs", fields: 2)!.Select(fields => string.Join(' ', fields)));
        for (var length = 0; length < whole.Length; length++)
        {
            disk.Replace("/data/epochs", whole[..length], sync: true);
            Assert.Null(TextCheckpoint.TryRead(disk, "/data/epochs", fields: 2));
        }
    }

    private sealed class Run
    {
        private readonly LogFixture _fixture;
        private readonly Random _random;
        private readonly List<byte[]> _model = [];

        // What an unsynced truncation took away may be there again after a crash; see the class Log.
        private readonly HashSet<string> _ghosts = [];
        private readonly Dictionary<long, int> _sequences = [];
        private int _firstProducer;
        private long _checkpoint;
        private long _logStart;
        private int _epoch;

        public Run(int seed)
        {
            _random = new Random(seed);
            var settings = new LogSettings
            {
                SegmentBytes = _random.Next(600, 3000),
                IndexIntervalBytes = _random.Next(0, 600),
                SegmentIndexBytes = _random.Next(100, 1000),
                Preallocate = _random.Next(3) == 0,
            };
            _fixture = new LogFixture(settings, seed);
        }

        private Log Log => _fixture.Log;

        public void Go()
        {
            for (var step = 0; step < Steps; step++)
            {
                Step();
                AssertEqualsModel();
            }
            Crash();
            AssertEqualsModel();
            Assert.Empty(_fixture.Failures);
        }

        private void Step()
        {
            switch (_random.Next(20))
            {
                case < 11:
                    Append();
                    break;
                case 11:
                    Log.Roll();
                    break;
                case 12 or 13:
                    Flush();
                    break;
                case 14:
                    Truncate();
                    break;
                case 15:
                    AdvanceStart();
                    break;
                case 16:
                    _fixture.Reopen();
                    Assert.True(Log.Recovery.IsClean, Log.Recovery.ToString());
                    _checkpoint = Log.RecoveryPoint;
                    _ghosts.Clear();
                    break;
                case 17:
                    _fixture.Time.AdvanceMs(60_001);
                    Log.DeleteFilesDue();
                    break;
                default:
                    Crash();
                    break;
            }
        }

        private void Append()
        {
            byte[] batch;
            if (_random.Next(3) == 0)
            {
                var producer = _firstProducer + _random.Next(Producers);
                var sequence = _sequences.GetValueOrDefault(producer);
                batch = Batches.Idempotent(producer, 0, sequence, records: 2);
                _sequences[producer] = sequence + 2;
            }
            else
            {
                batch = Batches.Plain(_random.Next(1, 5), _random.Next(100), codec: (CompressionCodec)_random.Next(5));
            }
            var result = _fixture.Append(batch, _epoch);
            Assert.True(result.Error == ErrorCode.None, result.Message);
            _model.Add(batch);
        }

        private void Flush()
        {
            Assert.Equal(Log.LogEndOffset, Log.Flush());
            _ghosts.Clear();
            if (_random.Next(2) == 0) _checkpoint = Log.RecoveryPoint;
        }

        private void Truncate()
        {
            if (_model.Count == 0) return;
            var keep = _random.Next(_model.Count + 1);
            var offset = keep == _model.Count ? Log.LogEndOffset : Header(_model[keep]).BaseOffset;
            if (offset < _logStart) return;
            foreach (var batch in _model[keep..]) _ghosts.Add(Convert.ToHexString(batch));
            _model.RemoveRange(keep, _model.Count - keep);
            Assert.Equal(offset < Log.LogEndOffset, Log.TruncateTo(offset));
            Assert.Equal(offset, Log.LogEndOffset);
            _checkpoint = Math.Min(_checkpoint, offset);
            _epoch++;
            _sequences.Clear();
            ForgetProducers();
        }

        private void ForgetProducers()
        {
            for (var producer = _firstProducer; producer < _firstProducer + Producers; producer++)
            {
                var last = _model.Select(Header).LastOrDefault(header => header.ProducerId == producer);
                if (last.RecordCount > 0) _sequences[producer] = last.LastSequence + 1;
            }
        }

        private void AdvanceStart()
        {
            var offset = _random.NextInt64(_logStart, Log.LogEndOffset + 1);
            Assert.Equal(ErrorCode.None, Log.AdvanceLogStartOffset(offset));
            _logStart = offset;
        }

        private void Crash()
        {
            var synced = Math.Min(Log.RecoveryPoint, Log.LogEndOffset);
            Log.Dispose();
            _fixture.Disk.Crash(_random);
            var log = _fixture.Open(cleanShutdown: false, _checkpoint, _logStart);
            _fixture.Replace(log);
            Assert.True(log.LogEndOffset >= synced, $"Synced up to {synced}, but the log ends at {log.LogEndOffset}.");
            _logStart = log.LogStartOffset;
            TakeOver(log);
            // Below the log's start the model cannot tell ghosts from what replaced them: producers begin anew under other ids.
            if (_ghosts.Count > 0) _firstProducer += Producers;
            ForgetProducers();
        }

        // What survived has to be made of batches that were appended, in their order.
        private void TakeOver(Log log)
        {
            var survived = LogFixture.ReadAll(log, maxBytes: 1 << 20);
            var allowed = _model.Select(batch => Convert.ToHexString(batch)).Concat(_ghosts).ToHashSet();
            var next = _model.FindIndex(batch => Header(batch).LastOffset >= log.LogStartOffset);
            var kept = next < 0 ? [.. _model] : _model[..next];
            var end = 0L;
            for (var at = 0; at < survived.Length;)
            {
                RecordBatchHeader.TryRead(survived.AsSpan(at), out var header);
                Assert.True(at == 0 || header.BaseOffset == end, $"A gap between {end} and {header.BaseOffset}.");
                end = header.NextOffset;
                var batch = survived.AsSpan(at, header.SizeInBytes).ToArray();
                Assert.Contains(Convert.ToHexString(batch), allowed);
                kept.Add(batch);
                at += batch.Length;
            }
            _model.Clear();
            _model.AddRange(kept);
            _sequences.Clear();
            // The next leader has an epoch of its own.
            _epoch++;
        }

        private void AssertEqualsModel()
        {
            var visible = _model.Where(batch => Header(batch).LastOffset >= _logStart).SelectMany(batch => batch).ToArray();
            Assert.Equal(Convert.ToHexString(visible), Convert.ToHexString(LogFixture.ReadAll(Log, maxBytes: _random.Next(4000))));
            Assert.Equal(_logStart, Log.LogStartOffset);
            Assert.True(Log.RecoveryPoint <= Log.LogEndOffset);
        }

        private static RecordBatchHeader Header(byte[] batch)
        {
            Assert.Equal(ErrorCode.None, RecordBatchHeader.TryRead(batch, out var header));
            return header;
        }
    }
}
