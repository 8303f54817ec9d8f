using Akka.Actor;
using Akka.Serialization;
using Milena.Protocol;

namespace Milena.Metadata.Controller.Remote;

/// <summary>The form in which <see cref="ControllerQuestion"/> and <see cref="ControllerAnswer"/> cross nodes: Kafka's primitive types, one after the other.</summary>
/// <remarks>A field that a later version adds goes to the end and is read where it is there; what is behind the known fields is passed over.</remarks>
public sealed class ControllerMessageSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private const string Question = "cq";
    private const string Answer = "ca";

    public override int Identifier => 53_001;

    public override string Manifest(object o) => o switch
    {
        ControllerQuestion => Question,
        ControllerAnswer => Answer,
        _ => throw new ArgumentException($"{o.GetType()} is no message of the controller."),
    };

    public override byte[] ToBinary(object obj)
    {
        using var buffer = new MessageBuffer();
        var writer = new ProtocolWriter(buffer);
        switch (obj)
        {
            case ControllerQuestion question:
                writer.WriteInt64(question.Id);
                writer.WriteInt16(question.ApiKey);
                writer.WriteInt16(question.ApiVersion);
                writer.WriteBytes(compact: false, nullable: false, question.Body);
                break;
            case ControllerAnswer answer:
                writer.WriteInt64(answer.Id);
                writer.WriteInt8((sbyte)answer.Outcome);
                writer.WriteInt64(answer.Offset);
                writer.WriteBytes(compact: false, nullable: false, answer.Body);
                writer.WriteString(compact: false, nullable: false, Model.ErrorText.Clip(answer.Reason));
                break;
            default:
                throw new ArgumentException($"{obj.GetType()} is no message of the controller.");
        }

        return buffer.Written.ToArray();
    }

    public override object FromBinary(byte[] bytes, string manifest)
    {
        var reader = new ProtocolReader(bytes);
        object message = manifest switch
        {
            Question => new ControllerQuestion(reader.ReadInt64(), reader.ReadInt16(), reader.ReadInt16(), reader.ReadBytes(compact: false)),
            Answer => new ControllerAnswer(
                reader.ReadInt64(), (ControllerOutcome)reader.ReadInt8(), reader.ReadInt64(), reader.ReadBytes(compact: false), reader.ReadString(compact: false)),
            _ => throw new System.Runtime.Serialization.SerializationException($"Unknown manifest '{manifest}'."),
        };
        return reader.Failed ? throw new System.Runtime.Serialization.SerializationException($"A message '{manifest}' of {bytes.Length} bytes is too short.") : message;
    }
}
