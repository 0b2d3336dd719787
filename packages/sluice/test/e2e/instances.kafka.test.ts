import { test } from 'node:test';
import { testRandom } from '../../src/testing/random.ts';
import { testKafka } from '../../src/testing/servers/kafka.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { INSTANCES_LEASE, runInstances } from '../instances-bed.ts';
import { pipelineBed } from '../pipeline-bed.ts';

test('three processes, one owner: stopped, killed, paused past the take-over', { timeout: 540_000 }, async (t) => {
  const { seed } = testRandom(t);
  const mongo = await testMongo();
  const pipeline = { lease: INSTANCES_LEASE };
  await using bed = await pipelineBed({ mongo, brokers: await testKafka(), delivery: 'exactly-once', pipeline });
  await runInstances(t, bed, { mongo, seed });
});
