import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { assertDelivered } from '../../src/testing/delivery-checks.ts';
import { startOracle } from '../../src/testing/oracle.ts';
import { testRandom } from '../../src/testing/random.ts';
import { testKafka } from '../../src/testing/servers/kafka.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { waitFor } from '../../src/testing/wait-for.ts';
import { runWorkload } from '../../src/testing/workload.ts';
import { isReady, pipelineBed } from '../pipeline-bed.ts';

const KILLS = 20;
/** What may be written between two checkpoints and come again after one kill, at the pace of this workload. */
const REPEATED_PER_KILL = 400;

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  test(`${delivery}: kill -9 at ${KILLS} random points loses and reorders nothing`, { timeout: 240_000 }, async (t) => {
    const random = testRandom(t);
    const mongo = await testMongo();
    const brokers = await testKafka();
    await using bed = await pipelineBed({ mongo, brokers, delivery });
    await using oracle = await startOracle({ uri: mongo, db: bed.db });
    {
      await using first = bed.start();
      await bed.waitFor(first, isReady);
    }
    const stop = new AbortController();
    const workload = runWorkload(
      { uri: mongo, db: bed.db, writers: 10, keys: 200, seed: random.seed, pauseMs: 15 },
      stop.signal,
    );
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        await using victim = bed.start();
        // Half of the kills come while it starts or recovers, half at any time of its work.
        if (kill % 2 === 0) await bed.waitFor(victim, (status) => status.counts.delivered > 0);
        await delay(random.next() * 1_000);
        const exit = await victim.end('SIGKILL');
        assert.equal(exit.signal, 'SIGKILL', `it ended by itself: ${victim.stderr.slice(-2_000)}`);
      }
    } finally {
      stop.abort();
      await workload;
    }
    const expected = await oracle.settle();
    await using last = bed.start();
    const lastId = expected.at(-1)?.id;
    await waitFor(async () => (await bed.delivered()).some(({ id }) => id === lastId), {
      timeoutMs: 60_000,
      intervalMs: 500,
      message: 'the last event arrives',
      retryErrors: true,
    });
    const exit = await last.end('SIGTERM');
    assert.equal(exit.code, 0, last.stderr.slice(-2_000));
    const duplicates = assertDelivered(expected, await bed.delivered(), delivery);
    t.diagnostic(`${expected.length} events, ${duplicates} came again`);
    assert.ok(expected.length > 1_000, `only ${expected.length} events were written`);
    if (delivery === 'exactly-once') assert.equal(duplicates, 0);
    else
      assert.ok(duplicates <= KILLS * REPEATED_PER_KILL, `${duplicates} duplicates are more than what was in flight`);
  });
}
