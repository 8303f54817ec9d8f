// sarama; see ../README.md.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/Shopify/sarama"
)

// Without zstd, which Debian's sarama sends in a version of Produce whose readers need not know it, so that brokers refuse it.
var codecs = []struct {
	name  string
	codec sarama.CompressionCodec
}{
	{"none", sarama.CompressionNone}, {"gzip", sarama.CompressionGZIP}, {"snappy", sarama.CompressionSnappy},
	{"lz4", sarama.CompressionLZ4},
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	must(err)
	return n
}

func text(data []byte) string {
	if data == nil {
		return "-"
	}
	return string(data)
}

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V2_1_0_0
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	// Without a retention this version commits by OffsetCommit 1, which Kafka 4 no longer has.
	config.Consumer.Offsets.Retention = 24 * time.Hour
	config.Consumer.Offsets.CommitInterval = 100 * time.Millisecond
	return config
}

func produce(address, prefix string, count int) {
	admin, err := sarama.NewClusterAdmin([]string{address}, settings())
	must(err)
	for _, one := range codecs {
		topic := prefix + "-" + one.name
		must(admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}, false))
		config := settings()
		config.Producer.Compression = one.codec
		producer, err := sarama.NewSyncProducer([]string{address}, config)
		must(err)
		var messages []*sarama.ProducerMessage
		for i := 0; i < count; i++ {
			message := &sarama.ProducerMessage{Topic: topic, Headers: []sarama.RecordHeader{{Key: []byte("n"), Value: []byte(strconv.Itoa(i))}}}
			if i%5 != 4 {
				message.Key = sarama.StringEncoder(fmt.Sprintf("key-%d", i%20))
			}
			if i%7 != 6 || i%5 == 4 {
				message.Value = sarama.StringEncoder(fmt.Sprintf("value %d é", i))
			}
			messages = append(messages, message)
		}
		must(producer.SendMessages(messages))
		must(producer.Close())
		fmt.Println(topic)
	}
}

func read(address string, count int, topics []string) {
	consumer, err := sarama.NewConsumer([]string{address}, settings())
	must(err)
	for _, topic := range topics {
		found := make(chan *sarama.ConsumerMessage)
		for partition := int32(0); partition < 3; partition++ {
			part, err := consumer.ConsumePartition(topic, partition, 0)
			must(err)
			go func() {
				for m := range part.Messages() {
					found <- m
				}
			}()
		}
		for i := 0; i < count; i++ {
			m := <-found
			fmt.Printf("%s\t%d\t%s\t%s\t%s\n", topic, m.Partition, text(m.Key), text(m.Value), m.Headers[0].Value)
		}
	}
}

func seek(address, topic, kind string, place int64) {
	client, err := sarama.NewClient([]string{address}, settings())
	must(err)
	if kind == "timestamp" {
		place, err = client.GetOffset(topic, 0, place)
		must(err)
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	must(err)
	part, err := consumer.ConsumePartition(topic, 0, place)
	must(err)
	fmt.Println((<-part.Messages()).Offset)
}

type member struct{}

func (member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (member) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case <-session.Context().Done():
			return nil
		case m, open := <-claim.Messages():
			if !open {
				return nil
			}
			session.MarkMessage(m, "")
			fmt.Println(m.Partition, m.Offset)
		}
	}
}

func group(address, topic, name string) {
	consumers, err := sarama.NewConsumerGroup([]string{address}, name, settings())
	must(err)
	context, end := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		end()
	}()
	for context.Err() == nil {
		must(consumers.Consume(context, []string{topic}, member{}))
	}
	must(consumers.Close())
}

func main() {
	arguments := os.Args[2:]
	switch os.Args[1] {
	case "produce":
		produce(arguments[0], arguments[1], int(number(arguments[2])))
	case "read":
		read(arguments[0], int(number(arguments[1])), arguments[2:])
	case "seek":
		seek(arguments[0], arguments[1], arguments[2], number(arguments[3]))
	case "group":
		group(arguments[0], arguments[1], arguments[2])
	}
}
