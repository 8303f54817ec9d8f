// confluent-kafka-go (librdkafka); see ../README.md.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"context"

	"github.com/confluentinc/confluent-kafka-go/kafka"
)

var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	must(err)
	return n
}

func text(data []byte) string {
	if data == nil {
		return "-"
	}
	return string(data)
}

func produce(address, prefix string, count int) {
	admin, err := kafka.NewAdminClient(&kafka.ConfigMap{"bootstrap.servers": address})
	must(err)
	for _, codec := range codecs {
		topic := prefix + "-" + codec
		results, err := admin.CreateTopics(context.Background(), []kafka.TopicSpecification{{Topic: topic, NumPartitions: 3, ReplicationFactor: 1}})
		must(err)
		if results[0].Error.Code() != kafka.ErrNoError {
			must(results[0].Error)
		}
		producer, err := kafka.NewProducer(&kafka.ConfigMap{
			"bootstrap.servers": address, "compression.type": codec, "partitioner": "murmur2_random", "linger.ms": 20})
		must(err)
		delivered := make(chan kafka.Event, count)
		for i := 0; i < count; i++ {
			message := &kafka.Message{
				TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny},
				Headers:        []kafka.Header{{Key: "n", Value: []byte(strconv.Itoa(i))}},
			}
			if i%5 != 4 {
				message.Key = []byte(fmt.Sprintf("key-%d", i%20))
			}
			if i%7 != 6 || i%5 == 4 {
				message.Value = []byte(fmt.Sprintf("value %d é", i))
			}
			must(producer.Produce(message, delivered))
		}
		for i := 0; i < count; i++ {
			must((<-delivered).(*kafka.Message).TopicPartition.Error)
		}
		producer.Close()
		fmt.Println(topic)
	}
}

func consumer(address string, more kafka.ConfigMap) *kafka.Consumer {
	config := kafka.ConfigMap{"bootstrap.servers": address, "group.id": "unused", "enable.auto.commit": false, "auto.offset.reset": "earliest"}
	for key, value := range more {
		config[key] = value
	}
	made, err := kafka.NewConsumer(&config)
	must(err)
	return made
}

func read(address string, count int, topics []string) {
	for _, topic := range topics {
		topic := topic
		reader := consumer(address, nil)
		var places []kafka.TopicPartition
		for partition := int32(0); partition < 3; partition++ {
			places = append(places, kafka.TopicPartition{Topic: &topic, Partition: partition, Offset: 0})
		}
		must(reader.Assign(places))
		for i := 0; i < count; i++ {
			m, err := reader.ReadMessage(30 * time.Second)
			must(err)
			fmt.Printf("%s\t%d\t%s\t%s\t%s\n", topic, m.TopicPartition.Partition, text(m.Key), text(m.Value), m.Headers[0].Value)
		}
		reader.Close()
	}
}

func seek(address, topic, kind string, place int) {
	reader := consumer(address, nil)
	places := []kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: kafka.Offset(place)}}
	if kind == "timestamp" {
		found, err := reader.OffsetsForTimes(places, 30000)
		must(err)
		places = found
	}
	must(reader.Assign(places))
	m, err := reader.ReadMessage(30 * time.Second)
	must(err)
	fmt.Println(int64(m.TopicPartition.Offset))
	reader.Close()
}

func group(address, topic, name string) {
	reader := consumer(address, kafka.ConfigMap{"group.id": name, "session.timeout.ms": 10000})
	must(reader.Subscribe(topic, nil))
	ended := make(chan bool)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for {
		select {
		case <-ended:
			must(reader.Close())
			return
		default:
		}
		if m, err := reader.ReadMessage(200 * time.Millisecond); err == nil {
			_, err = reader.CommitMessage(m)
			must(err)
			fmt.Println(m.TopicPartition.Partition, int64(m.TopicPartition.Offset))
		}
	}
}

func main() {
	arguments := os.Args[2:]
	switch os.Args[1] {
	case "produce":
		produce(arguments[0], arguments[1], number(arguments[2]))
	case "read":
		read(arguments[0], number(arguments[1]), arguments[2:])
	case "seek":
		seek(arguments[0], arguments[1], arguments[2], number(arguments[3]))
	case "group":
		group(arguments[0], arguments[1], arguments[2])
	}
}
