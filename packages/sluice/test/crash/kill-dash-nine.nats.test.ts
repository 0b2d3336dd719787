import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DiscardPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { assertDelivered } from '../../src/testing/delivery-checks.ts';
import { startOracle } from '../../src/testing/oracle.ts';
import { testRandom } from '../../src/testing/random.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { startNats } from '../../src/testing/servers/nats.ts';
import { waitFor } from '../../src/testing/wait-for.ts';
import { runWorkload } from '../../src/testing/workload.ts';
import { isReady, natsBed } from '../pipeline-bed.ts';

const KILLS = 16;
/** Shorter than the test: what comes again must be known from the stream itself. */
const DUPLICATE_WINDOW_MS = 500;

/** Atomic batches are what a stream of Sluice's own has; one made by somebody else may not have them. */
const WAYS = [
  { delivery: 'at-least-once', atomic: true },
  { delivery: 'exactly-once', atomic: true },
  { delivery: 'at-least-once', atomic: false },
  { delivery: 'exactly-once', atomic: false },
] as const;

for (const { delivery, atomic } of WAYS) {
  const how = `${delivery}${atomic ? '' : ' without atomic batches'}`;
  const title = `nats ${how}: kill -9 of Sluice or NATS at ${KILLS} random points loses, reorders and repeats nothing`;
  test(title, { timeout: 240_000 }, async (t) => {
    const random = testRandom(t);
    const mongo = await testMongo();
    await using nats = await startNats();
    const { servers } = nats;
    const sink = { createStream: { duplicateWindow: `${DUPLICATE_WINDOW_MS}ms` } };
    await using bed = await natsBed({ mongo, servers, delivery, sink });
    if (!atomic) await makeStream(servers, bed.stream);
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
        if (random.next() < 0.4) {
          await nats.stop('SIGKILL');
          await delay(random.next() * 300);
          await nats.start();
          await delay(random.next() * 500);
        }
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
    // Both ways keep the strict promise: nothing twice, even beyond the duplicate window.
    const duplicates = assertDelivered(expected, await bed.delivered(), 'exactly-once');
    t.diagnostic(`${expected.length} events, ${duplicates} came again`);
    assert.ok(expected.length > 1_000, `only ${expected.length} events were written`);
  });
}

async function makeStream(servers: readonly string[], name: string): Promise<void> {
  const connection = await connect({ servers: [...servers] });
  const subjects = [`${name}.>`, `sluice.${name}.>`];
  const duplicate_window = DUPLICATE_WINDOW_MS * 1_000_000;
  await (await jetstreamManager(connection)).streams.add({
    name,
    subjects,
    discard: DiscardPolicy.New,
    duplicate_window,
  });
  await connection.close();
}
