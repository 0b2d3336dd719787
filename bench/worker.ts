import { randomUUID } from 'node:crypto';
import { startKafka } from '../packages/sluice/src/testing/servers/kafka.ts';
import { startMongo } from '../packages/sluice/src/testing/servers/mongo.ts';
import { writeConfig } from '../packages/sluice/src/testing/sluice-process.ts';
import { tempDir } from '../packages/sluice/src/testing/temp-dir.ts';
import { compileBench } from './compiled-bench.ts';
import { loadGround, measureLive } from './live.ts';
import type { BenchOptions } from './main.ts';
import type { Measurement } from './measure.ts';

export { DEFAULT_EVENTS } from './live.ts';

const PARTITIONS = 6;

/** Kafka → MongoDB: a topic that a pipeline has filled, against a bulk-write loop of the driver with the same documents. */
export async function run({ events, runs, say }: BenchOptions): Promise<readonly object[]> {
  const child = await compileBench();
  await using source = await startMongo();
  await using target = await startMongo();
  await using kafka = await startKafka();
  await using directory = await tempDir('bench');
  say(`loading ${events} orders`);
  const ground = await loadGround(source.uri, { directory: directory.path, events, child });
  const { brokers } = kafka;
  const results: object[] = [];
  for (const json of ['relaxed', 'bson'] as const) {
    const topic = `orders-${randomUUID().slice(0, 8)}`;
    const { t, i } = { t: ground.start.getHighBits() >>> 0, i: ground.start.getLowBits() >>> 0 };
    const mongodb = { uri: source.uri, include: ['shop.orders'], startAt: { clusterTime: `${t},${i}` } };
    const createTopics = { partitions: PARTITIONS, replicationFactor: 1 };
    const filling = { kafka: { brokers, topic, format: { name: 'change', json }, createTopics } };
    const config = await writeConfig(directory.path, {
      version: 1,
      pipelines: { [topic]: { source: { mongodb }, sink: filling } },
    });
    await child<Measurement>('pipeline', [config, events]);
    say(`the topic is filled, ${json}`);
    const measured = await measureLive(
      ground,
      {
        bench: 'worker',
        delivery: 'at-least-once',
        source: (group) => ({ kafka: { brokers, topics: [topic], group, startAt: 'earliest' } }),
        sink: (id) => ({ mongodb: { uri: target.uri, database: id } }),
        ceiling: () => child<Measurement>('mongo-apply', [source.uri, target.uri, 'upsert', events]),
      },
      { runs, say },
    );
    results.push({ ...measured, format: json });
  }
  return results;
}
