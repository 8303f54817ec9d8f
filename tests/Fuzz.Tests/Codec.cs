using System.Reflection;
using Milena.Protocol;
using Milena.Protocol.Generator;
using Milena.Protocol.Tests;

namespace Milena.Fuzz.Tests;

/// <summary>A generated codec behind one shape, and the spec it was made from.</summary>
internal abstract class Codec(MessageSpec spec)
{
    public static IReadOnlyDictionary<string, Codec> All { get; } = Specs.Messages.Values.ToDictionary(spec => spec.Name, Create);

    public MessageSpec Spec => spec;

    public IEnumerable<short> Versions => Enumerable.Range(spec.Versions.Lowest, spec.Versions.Highest - spec.Versions.Lowest + 1).Select(version => (short)version);

    public abstract bool TryRead(ReadOnlyMemory<byte> body, short version, out IMessage? message);

    public static byte[] Write(IMessage message, short version)
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        message.Write(ref writer, version);
        return buffer.ToArray();
    }

    private static Codec Create(MessageSpec spec)
    {
        var type = typeof(IMessage).Assembly.GetType($"Milena.Protocol.{spec.Name}", throwOnError: true)!;
        return (Codec)Activator.CreateInstance(typeof(Of<>).MakeGenericType(type), spec)!;
    }

    private sealed class Of<T> : Codec
        where T : class, IMessage
    {
        private readonly Reader _read;

        public Of(MessageSpec spec)
            : base(spec)
        {
            var method = typeof(T).GetMethod("TryRead", BindingFlags.Public | BindingFlags.Static, [typeof(ReadOnlyMemory<byte>), typeof(short), typeof(T).MakeByRefType()])!;
            _read = method.CreateDelegate<Reader>();
        }

        private delegate bool Reader(ReadOnlyMemory<byte> body, short version, out T? message);

        public override bool TryRead(ReadOnlyMemory<byte> body, short version, out IMessage? message)
        {
            var isRead = _read(body, version, out var read);
            message = read;
            return isRead;
        }
    }
}
