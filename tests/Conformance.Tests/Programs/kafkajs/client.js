// kafkajs; see ../README.md.
const { Kafka, CompressionTypes, Partitioners, logLevel } = require('kafkajs');

const codecs = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP };
const [command, address, ...rest] = process.argv.slice(2);
const kafka = new Kafka({ brokers: [address], logLevel: logLevel.ERROR });
const text = data => data === null ? '-' : data.toString();

const commands = {
  async produce(prefix, count) {
    const admin = kafka.admin();
    await admin.connect();
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    for (const [codec, compression] of Object.entries(codecs)) {
      const topic = `${prefix}-${codec}`;
      await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
      const messages = [...Array(Number(count)).keys()].map(i => ({
        key: i % 5 === 4 ? null : `key-${i % 20}`,
        value: i % 7 === 6 && i % 5 !== 4 ? null : `value ${i} é`,
        headers: { n: String(i) },
      }));
      await producer.send({ topic, compression, messages, acks: -1 });
      console.log(topic);
    }
    await producer.disconnect();
    await admin.disconnect();
  },

  // The library reads in groups only, so each topic is read by a group of its own.
  async read(count, ...topics) {
    for (const topic of topics.filter(name => Object.keys(codecs).some(codec => name.endsWith(`-${codec}`)))) {
      const consumer = kafka.consumer({ groupId: `read-${topic}-${process.pid}` });
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      let left = Number(count);
      await new Promise(done => consumer.run({
        eachMessage: async ({ partition, message }) => {
          if (left-- > 0) console.log([topic, partition, text(message.key), text(message.value), text(message.headers.n)].join('\t'));
          if (left === 0) done();
        },
      }));
      await consumer.disconnect();
    }
  },

  async seek(topic, kind, place) {
    const consumer = kafka.consumer({ groupId: `seek-${process.pid}` });
    let offset = place;
    if (kind === 'timestamp') {
      const admin = kafka.admin();
      await admin.connect();
      offset = (await admin.fetchTopicOffsetsByTimestamp(topic, Number(place))).find(one => one.partition === 0).offset;
      await admin.disconnect();
    }
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const first = new Promise(done => consumer.run({
      eachMessage: async ({ partition, message }) => {
        if (partition === 0 && BigInt(message.offset) >= BigInt(offset)) done(message.offset);
      },
    }));
    consumer.seek({ topic, partition: 0, offset });
    console.log(await first);
    await consumer.disconnect();
  },

  async group(topic, groupId) {
    const consumer = kafka.consumer({ groupId, sessionTimeout: 10000 });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        await consumer.commitOffsets([{ topic, partition, offset: String(BigInt(message.offset) + 1n) }]);
        console.log(`${partition} ${message.offset}`);
      },
    });
    await new Promise(done => process.stdin.on('end', done).resume());
    await consumer.disconnect();
  },
};

commands[command](...rest).then(() => process.exit(0), error => { console.error(error); process.exit(1); });
