// Kafka's own Java client; see ../README.md.
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Future;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

public class Client {
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");

    public static void main(String[] args) throws Exception {
        var rest = Arrays.copyOfRange(args, 2, args.length);
        switch (args[0]) {
            case "produce" -> produce(args[1], rest[0], Integer.parseInt(rest[1]));
            case "read" -> read(args[1], Integer.parseInt(rest[0]), Arrays.asList(rest).subList(1, rest.length));
            case "seek" -> seek(args[1], rest[0], rest[1], Long.parseLong(rest[2]));
            case "group" -> group(args[1], rest[0], rest[1]);
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private static void produce(String address, String prefix, int count) throws Exception {
        try (var admin = Admin.create(Map.of("bootstrap.servers", address))) {
            for (var codec : CODECS) {
                var topic = prefix + "-" + codec;
                admin.createTopics(List.of(new NewTopic(topic, 3, (short) 1))).all().get();
                Map<String, Object> settings = Map.of("bootstrap.servers", address, "compression.type", codec, "linger.ms", 20);
                try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
                    var sent = new ArrayList<Future<RecordMetadata>>();
                    for (var i = 0; i < count; i++) {
                        var record = new ProducerRecord<>(topic, i % 5 == 4 ? null : "key-" + i % 20, i % 7 == 6 && i % 5 != 4 ? null : "value " + i + " é");
                        record.headers().add("n", Integer.toString(i).getBytes());
                        sent.add(producer.send(record));
                    }
                    producer.flush();
                    for (var future : sent) future.get();
                }
                System.out.println(topic);
            }
        }
    }

    private static KafkaConsumer<String, String> consumer(String address, String group) {
        var settings = new HashMap<String, Object>(Map.of("bootstrap.servers", address, "enable.auto.commit", "false", "auto.offset.reset", "earliest", "session.timeout.ms", 10000));
        if (group != null) settings.put("group.id", group);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    private static void read(String address, int count, List<String> topics) {
        for (var topic : topics) {
            try (var consumer = consumer(address, null)) {
                var partitions = IntStream.range(0, 3).mapToObj(p -> new TopicPartition(topic, p)).toList();
                consumer.assign(partitions);
                consumer.seekToBeginning(partitions);
                for (var left = count; left > 0; ) {
                    for (var r : consumer.poll(Duration.ofSeconds(30))) {
                        var n = new String(r.headers().lastHeader("n").value());
                        System.out.println(String.join("\t", topic, "" + r.partition(), r.key() == null ? "-" : r.key(), r.value() == null ? "-" : r.value(), n));
                        left--;
                    }
                }
            }
        }
    }

    private static void seek(String address, String topic, String kind, long place) {
        try (var consumer = consumer(address, null)) {
            var partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seek(partition, kind.equals("timestamp") ? consumer.offsetsForTimes(Map.of(partition, place)).get(partition).offset() : place);
            System.out.println(consumer.poll(Duration.ofSeconds(30)).iterator().next().offset());
        }
    }

    private static void group(String address, String topic, String name) throws Exception {
        try (var consumer = consumer(address, name)) {
            consumer.subscribe(List.of(topic));
            while (!ended()) {
                var records = consumer.poll(Duration.ofMillis(200));
                if (!records.isEmpty()) consumer.commitSync();
                for (var record : records) System.out.println(record.partition() + " " + record.offset());
                System.out.flush();
            }
        }
    }

    private static Thread watcher;
    private static volatile boolean isAtEnd;

    private static boolean ended() {
        if (watcher == null) {
            watcher = new Thread(() -> {
                try {
                    while (System.in.read() >= 0) { }
                } catch (java.io.IOException e) {
                    // The pipe is gone, which is an end too.
                }
                isAtEnd = true;
            });
            watcher.setDaemon(true);
            watcher.start();
        }
        return isAtEnd;
    }
}
