import { startKafka } from '../packages/sluice/src/testing/servers/kafka.ts';
import { startMongo } from '../packages/sluice/src/testing/servers/mongo.ts';
import { tempDir } from '../packages/sluice/src/testing/temp-dir.ts';
import { compileBench } from './compiled-bench.ts';
import { loadGround, measureLive } from './live.ts';
import type { BenchOptions } from './main.ts';

export { DEFAULT_EVENTS } from './live.ts';

/** MongoDB → Kafka: a raw drain and the pipeline alternate in processes of their own; medians and ratios of one run. */
export async function run({ events, runs, say }: BenchOptions): Promise<readonly object[]> {
  const child = await compileBench();
  await using mongo = await startMongo();
  await using kafka = await startKafka();
  await using directory = await tempDir('bench');
  say(`loading ${events} orders`);
  const ground = await loadGround(mongo.uri, { directory: directory.path, events, child });
  const { brokers } = kafka;
  const createTopics = { partitions: 6, replicationFactor: 1 };
  const results: object[] = [];
  for (const delivery of ['at-least-once', 'exactly-once'] as const) {
    const sink = (id: string) => ({ kafka: { brokers, topic: id, delivery, createTopics } });
    results.push(await measureLive(ground, { bench: 'kafka', delivery, sink }, { runs, say }));
  }
  return results;
}
