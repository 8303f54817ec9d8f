"""kafka-python; see README.md."""
import select
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

# What Debian's package can do without further modules.
CODECS = ["none", "gzip"]


def produce(address, prefix, count):
    admin = KafkaAdminClient(bootstrap_servers=address)
    for codec in CODECS:
        topic = f"{prefix}-{codec}"
        admin.create_topics([NewTopic(topic, num_partitions=3, replication_factor=1)])
        producer = KafkaProducer(bootstrap_servers=address, compression_type=None if codec == "none" else codec, linger_ms=20, acks="all")
        sent = [
            producer.send(
                topic,
                key=None if i % 5 == 4 else f"key-{i % 20}".encode(),
                value=None if i % 7 == 6 and i % 5 != 4 else f"value {i} é".encode(),
                headers=[("n", str(i).encode())],
            )
            for i in range(int(count))
        ]
        producer.flush(30)
        for future in sent:
            future.get(30)
        producer.close()
        print(topic)


def text(data):
    return "-" if data is None else data.decode()


def records(consumer):
    while True:
        found = consumer.poll(timeout_ms=30000)
        if not found:
            sys.exit("no record")
        for batch in found.values():
            yield from batch


def read(address, count, *topics):
    for topic in topics:
        consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, auto_offset_reset="earliest")
        consumer.assign([TopicPartition(topic, partition) for partition in range(3)])
        consumer.seek_to_beginning()
        left = int(count)
        for r in records(consumer):
            print(topic, r.partition, text(r.key), text(r.value), r.headers[0][1].decode(), sep="\t")
            left -= 1
            if left == 0:
                break
        consumer.close()


def seek(address, topic, kind, place):
    consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, consumer.offsets_for_times({partition: int(place)})[partition].offset if kind == "timestamp" else int(place))
    print(next(records(consumer)).offset)
    consumer.close()


def group(address, topic, name):
    consumer = KafkaConsumer(
        topic, bootstrap_servers=address, group_id=name, enable_auto_commit=False, auto_offset_reset="earliest", session_timeout_ms=10000)
    while not select.select([sys.stdin], [], [], 0)[0]:
        found = [record for batch in consumer.poll(timeout_ms=200).values() for record in batch]
        if found:
            consumer.commit()
        for record in found:
            print(record.partition, record.offset, flush=True)
    consumer.close()


globals()[sys.argv[1]](*sys.argv[2:])
