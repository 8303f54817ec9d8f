using System.Buffers.Binary;
using System.Net.Sockets;
using Milena.Metadata.Image;
using Milena.Model;
using Milena.Protocol;

namespace Milena.Replication;

/// <summary>Connections over TCP, in Kafka's protocol.</summary>
public sealed class TcpLeaderConnector(int brokerId) : ILeaderConnector
{
    public async Task<ILeaderConnection> ConnectAsync(int leader, BrokerEndPoint endPoint, TimeSpan timeout, CancellationToken cancellation)
    {
        var client = new TcpClient { NoDelay = true };
        try
        {
            using var limit = new Limit(timeout, cancellation);
            await limit.RunAsync(token => client.ConnectAsync(endPoint.Host, endPoint.Port, token).AsTask()).ConfigureAwait(false);
            var connection = new TcpLeaderConnection(client, $"broker-{brokerId}-fetcher");
            await connection.NegotiateAsync(timeout, cancellation).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>Tells a time that is up from a caller that gave up, and a socket's error as what it is to the caller: a lost connection.</summary>
    private sealed class Limit : IDisposable
    {
        private readonly CancellationTokenSource _source;
        private readonly CancellationToken _caller;

        public Limit(TimeSpan timeout, CancellationToken caller)
        {
            _caller = caller;
            _source = CancellationTokenSource.CreateLinkedTokenSource(caller);
            _source.CancelAfter(timeout);
        }

        public async Task RunAsync(Func<CancellationToken, Task> step)
        {
            try
            {
                await step(_source.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!_caller.IsCancellationRequested)
            {
                throw new TimeoutException("The leader did not answer in time.");
            }
            catch (SocketException e)
            {
                throw new IOException(e.Message, e);
            }
        }

        public void Dispose() => _source.Dispose();
    }

    private sealed class TcpLeaderConnection(TcpClient client, string clientId) : ILeaderConnection
    {
        /// <summary>Before they have told each other what they know, both know this version.</summary>
        private const short ApiVersionsVersion = 3;

        private readonly NetworkStream _stream = client.GetStream();
        private readonly Dictionary<short, short> _versions = [];
        private byte[] _frame = new byte[64 * 1024];
        private int _correlationId;

        public async Task NegotiateAsync(TimeSpan timeout, CancellationToken cancellation)
        {
            _versions[(short)ApiKey.ApiVersions] = ApiVersionsVersion;
            var request = new ApiVersionsRequest { ClientSoftwareName = "milena", ClientSoftwareVersion = typeof(TcpLeaderConnector).Assembly.GetName().Version!.ToString(3) };
            var served = await AskAsync<ApiVersionsResponse>(ApiKey.ApiVersions, request, timeout, cancellation).ConfigureAwait(false);
            if (served.ErrorCode != ErrorCode.None)
            {
                throw new InvalidDataException($"The leader answers {served.ErrorCode} to ApiVersions.");
            }

            foreach (var api in served.ApiKeys)
            {
                if (ApiCatalog.Find(api.ApiKey) is { } known && Math.Min(known.MaxVersion, api.MaxVersion) is var version
                    && version >= Math.Max(known.MinVersion, api.MinVersion))
                {
                    _versions[api.ApiKey] = version;
                }
            }
        }

        public short VersionOf(ApiKey key) =>
            _versions.TryGetValue((short)key, out var version) ? version : throw new InvalidDataException($"The leader and this broker have no version of {key} in common.");

        public async Task<TResponse> AskAsync<TResponse>(ApiKey key, IRequestMessage request, TimeSpan timeout, CancellationToken cancellation)
            where TResponse : IResponseMessage
        {
            var version = VersionOf(key);
            var correlationId = ++_correlationId;
            using var limit = new Limit(timeout, cancellation);
            var length = 0;
            await limit.RunAsync(async token =>
            {
                await _stream.WriteAsync(Encode(key, version, correlationId, request), token).ConfigureAwait(false);
                length = await ReadFrameAsync(token).ConfigureAwait(false);
            }).ConfigureAwait(false);
            return Decode<TResponse>(key, version, correlationId, _frame.AsMemory(0, length));
        }

        public ValueTask DisposeAsync()
        {
            client.Dispose();
            return ValueTask.CompletedTask;
        }

        private byte[] Encode(ApiKey key, short version, int correlationId, IRequestMessage request)
        {
            using var buffer = new MessageBuffer();
            var writer = new ProtocolWriter(buffer);
            var header = new RequestHeader { RequestApiKey = (short)key, RequestApiVersion = version, CorrelationId = correlationId, ClientId = clientId };
            header.Write(ref writer, ApiCatalog.RequestHeaderVersion((short)key, version));
            request.Write(ref writer, version);
            var frame = new byte[sizeof(int) + buffer.TotalLength];
            BinaryPrimitives.WriteInt32BigEndian(frame, buffer.TotalLength);
            buffer.Written.Span.CopyTo(frame.AsSpan(sizeof(int)));
            return frame;
        }

        private static TResponse Decode<TResponse>(ApiKey key, short version, int correlationId, ReadOnlyMemory<byte> frame)
            where TResponse : IResponseMessage
        {
            var reader = new ProtocolReader(frame);
            return ResponseHeader.TryRead(ref reader, ApiCatalog.ResponseHeaderVersion((short)key, version), out var header)
                && header.CorrelationId == correlationId
                && ApiCatalog.TryReadResponse((short)key, version, frame[reader.Position..], out var response)
                && response is TResponse answer
                    ? answer
                    : throw new InvalidDataException($"The leader's answer to {key} version {version} cannot be read.");
        }

        private async Task<int> ReadFrameAsync(CancellationToken token)
        {
            await _stream.ReadExactlyAsync(_frame.AsMemory(0, sizeof(int)), token).ConfigureAwait(false);
            var length = BinaryPrimitives.ReadInt32BigEndian(_frame);
            if (length < 0)
            {
                throw new InvalidDataException($"The leader announces an answer of {length} bytes.");
            }

            // It grows with what arrives, not with what is announced: who answers at that address may be anybody.
            for (var read = 0; read < length;)
            {
                if (read == _frame.Length)
                {
                    Array.Resize(ref _frame, (int)Math.Min(length, 2L * _frame.Length));
                }

                var part = Math.Min(length, _frame.Length) - read;
                await _stream.ReadExactlyAsync(_frame.AsMemory(read, part), token).ConfigureAwait(false);
                read += part;
            }

            return length;
        }
    }
}
