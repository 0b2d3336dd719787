import { silentLogger } from '../../core/logger.ts';
import { checkpointStoreContract } from '../../testing/contracts/checkpoint-store.ts';
import { deadLetterStoreContract } from '../../testing/contracts/dead-letter-store.ts';
import { sinkContract } from '../../testing/contracts/sink.ts';
import { readTopic } from '../../testing/kafka-reader.ts';
import { testKafka } from '../../testing/servers/kafka.ts';
import { kafkaDeadLetterConfig } from './config.ts';
import { openKafkaDeadLetters } from './dead-letter.ts';
import { openSink, readSettled, uniqueName } from './sink-fixture.ts';

function read(brokers: readonly string[], topic: string) {
  return readSettled(() => readTopic({ brokers }, topic, { isolation: 'read_uncommitted' }));
}

const text = (bytes: Buffer | null) => bytes?.toString() ?? null;

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  sinkContract(`kafka ${delivery}`, async () => {
    const brokers = await testKafka();
    const topic = uniqueName();
    const checkpointTopic = uniqueName('checkpoints');
    const transactionalIdPrefix = uniqueName();
    const settings = {
      brokers,
      topic,
      delivery,
      checkpointTopic,
      transactionalIdPrefix,
      createTopics: { partitions: 3 },
    };
    return {
      open: (format) => openSink(settings, { format }),
      found: async () => (await read(brokers, topic)).map(({ key, value }) => ({ key: text(key), value: text(value) })),
    };
  });
}

checkpointStoreContract('kafka', async () => {
  const brokers = await testKafka();
  const settings = {
    brokers,
    delivery: 'exactly-once',
    checkpointTopic: uniqueName('checkpoints'),
    transactionalIdPrefix: uniqueName(),
  };
  return {
    async open() {
      const sink = await openSink(settings);
      if (sink.checkpoints === undefined) throw new Error('an exactly-once sink keeps checkpoints');
      const { claim, save } = sink.checkpoints;
      return { claim, save, [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose]() };
    },
  };
});

deadLetterStoreContract('kafka', async () => {
  const config = kafkaDeadLetterConfig.parse({ brokers: [...(await testKafka())], topic: uniqueName('dead-letters') });
  const signal = new AbortController().signal;
  const context = { pipeline: 'orders', partition: 'orders/0', logger: silentLogger, signal };
  return { open: () => openKafkaDeadLetters(config, context) };
});
