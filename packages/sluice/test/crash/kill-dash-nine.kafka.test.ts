import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertDelivered } from '../../src/testing/delivery-checks.ts';
import { testRandom } from '../../src/testing/random.ts';
import { testKafka } from '../../src/testing/servers/kafka.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { killAtRandom } from '../kill-run.ts';
import { pipelineBed } from '../pipeline-bed.ts';

const KILLS = 20;
/** What may be written between two checkpoints and come again after one kill, at the pace of this workload. */
const REPEATED_PER_KILL = 400;

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  test(`${delivery}: kill -9 at ${KILLS} random points loses and reorders nothing`, { timeout: 900_000 }, async (t) => {
    const random = testRandom(t);
    const mongo = await testMongo();
    const brokers = await testKafka();
    await using bed = await pipelineBed({ mongo, brokers, delivery });
    const expected = await killAtRandom({ mongo, bed, random, kills: KILLS });
    const duplicates = assertDelivered(expected, await bed.delivered(), delivery);
    t.diagnostic(`${expected.length} events, ${duplicates} came again`);
    if (delivery === 'exactly-once') assert.equal(duplicates, 0);
    else
      assert.ok(duplicates <= KILLS * REPEATED_PER_KILL, `${duplicates} duplicates are more than what was in flight`);
  });
}
