import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DiscardPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { assertDelivered } from '../../src/testing/delivery-checks.ts';
import { testRandom } from '../../src/testing/random.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { startNats } from '../../src/testing/servers/nats.ts';
import { killAtRandom } from '../kill-run.ts';
import { natsBed } from '../pipeline-bed.ts';

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
  test(title, { timeout: 900_000 }, async (t) => {
    const random = testRandom(t);
    const mongo = await testMongo();
    await using nats = await startNats();
    const { servers } = nats;
    const sink = { createStream: { duplicateWindow: `${DUPLICATE_WINDOW_MS}ms` } };
    await using bed = await natsBed({ mongo, servers, delivery, sink });
    if (!atomic) await makeStream(servers, bed.stream);
    const alsoNats = async () => {
      if (random.next() >= 0.4) return;
      await nats.stop('SIGKILL');
      await delay(random.next() * 300);
      await nats.start();
      await delay(random.next() * 500);
    };
    const expected = await killAtRandom({ mongo, bed, random, kills: KILLS, before: alsoNats });
    // Both ways keep the strict promise: nothing twice, even beyond the duplicate window.
    const duplicates = assertDelivered(expected, await bed.delivered(), 'exactly-once');
    t.diagnostic(`${expected.length} events, ${duplicates} came again`);
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
