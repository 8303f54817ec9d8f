"""confluent-kafka (librdkafka) for Python; see README.md."""
import select
import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def produce(address, prefix, count):
    admin = AdminClient({"bootstrap.servers": address})
    for codec in CODECS:
        topic = f"{prefix}-{codec}"
        for done in admin.create_topics([NewTopic(topic, num_partitions=3, replication_factor=1)]).values():
            done.result(30)
        producer = Producer({"bootstrap.servers": address, "compression.type": codec, "partitioner": "murmur2_random", "linger.ms": 20})
        for i in range(int(count)):
            producer.produce(
                topic,
                key=None if i % 5 == 4 else f"key-{i % 20}",
                value=None if i % 7 == 6 and i % 5 != 4 else f"value {i} é",
                headers=[("n", str(i).encode())],
            )
        if producer.flush(30):
            sys.exit("not all records were acknowledged")
        print(topic)


def text(data):
    return "-" if data is None else data.decode()


def poll(consumer):
    message = consumer.poll(30)
    if message is None or message.error():
        sys.exit(f"no record: {message and message.error()}")
    return message


def read(address, count, *topics):
    for topic in topics:
        consumer = Consumer({"bootstrap.servers": address, "group.id": "unused", "enable.auto.commit": False})
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(3)])
        for _ in range(int(count)):
            m = poll(consumer)
            print(topic, m.partition(), text(m.key()), text(m.value()), m.headers()[0][1].decode(), sep="\t")
        consumer.close()


def seek(address, topic, kind, place):
    consumer = Consumer({"bootstrap.servers": address, "group.id": "unused", "enable.auto.commit": False})
    place = TopicPartition(topic, 0, int(place))
    consumer.assign(consumer.offsets_for_times([place], 30) if kind == "timestamp" else [place])
    print(poll(consumer).offset())
    consumer.close()


def group(address, topic, name):
    consumer = Consumer({
        "bootstrap.servers": address, "group.id": name, "auto.offset.reset": "earliest", "enable.auto.commit": False,
        "session.timeout.ms": 10000})
    consumer.subscribe([topic])
    while not select.select([sys.stdin], [], [], 0)[0]:
        message = consumer.poll(0.2)
        if message is not None and not message.error():
            consumer.commit(message, asynchronous=False)
            print(message.partition(), message.offset(), flush=True)
    consumer.close()


globals()[sys.argv[1]](*sys.argv[2:])
