import { test } from 'node:test';
import { testRandom } from '../../src/testing/random.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { testNats } from '../../src/testing/servers/nats.ts';
import { INSTANCES_LEASE, runInstances } from '../instances-bed.ts';
import { natsBed } from '../pipeline-bed.ts';

test('three processes, one owner: stopped, killed, paused past the take-over', { timeout: 540_000 }, async (t) => {
  const { seed } = testRandom(t);
  const mongo = await testMongo();
  const pipeline = { lease: INSTANCES_LEASE };
  await using bed = await natsBed({ mongo, servers: await testNats(), delivery: 'exactly-once', pipeline });
  await runInstances(t, bed, { mongo, seed });
});
