import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { assertDelivered, type ExpectedEvent } from '../../src/testing/delivery-checks.ts';
import { startOracle } from '../../src/testing/oracle.ts';
import { testRandom } from '../../src/testing/random.ts';
import { startKafka, testKafka } from '../../src/testing/servers/kafka.ts';
import { startMongo, testMongo } from '../../src/testing/servers/mongo.ts';
import { primaryOf } from '../../src/testing/servers/mongo-admin.ts';
import { waitFor } from '../../src/testing/wait-for.ts';
import { runWorkload } from '../../src/testing/workload.ts';
import { isReady, type PipelineBed, pipelineBed } from '../pipeline-bed.ts';

async function untilDelivered(bed: PipelineBed, expected: readonly ExpectedEvent[]): Promise<void> {
  const lastId = expected.at(-1)?.id;
  const arrived = async () => (await bed.delivered()).some(({ id }) => id === lastId);
  await waitFor(arrived, { timeoutMs: 240_000, intervalMs: 500, message: 'the last event arrives', retryErrors: true });
}

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  test(`${delivery}: a step-down and a killed primary are survived without help`, { timeout: 900_000 }, async (t) => {
    const random = testRandom(t);
    await using mongo = await startMongo({ members: 3 });
    const brokers = await testKafka();
    await using bed = await pipelineBed({ mongo: mongo.uri, brokers, delivery });
    await using oracle = await startOracle({ uri: mongo.uri, db: bed.db });
    await using sluice = bed.start();
    await bed.waitFor(sluice, isReady);
    const stop = new AbortController();
    const workload = runWorkload(
      { uri: mongo.uri, db: bed.db, keys: 100, seed: random.seed, pauseMs: 15 },
      stop.signal,
    );
    const client = await MongoClient.connect(mongo.uri);
    try {
      await bed.waitFor(sluice, (status) => status.counts.delivered > 200);
      await client
        .db('admin')
        .command({ replSetStepDown: 5, force: true })
        .catch(() => undefined);
      const afterStepDown = (await bed.waitFor(sluice, () => true)).counts.delivered;
      await bed.waitFor(
        sluice,
        (status) => status.state === 'running' && status.counts.delivered > afterStepDown + 300,
      );
      await (await primaryOf(mongo)).kill('SIGKILL');
      const afterKill = (await bed.waitFor(sluice, () => true)).counts.delivered;
      await bed.waitFor(
        sluice,
        (status) => status.state === 'running' && status.counts.delivered > afterKill + 300,
        240_000,
      );
    } finally {
      stop.abort();
      await workload;
      await client.close();
    }
    const expected = await oracle.settle();
    await untilDelivered(bed, expected);
    await sluice.end('SIGTERM');
    const duplicates = assertDelivered(expected, await bed.delivered(), delivery);
    t.diagnostic(`${expected.length} events, ${duplicates} came again`);
  });

  test(`${delivery}: Kafka stopped for 20 s and back`, { timeout: 900_000 }, async (t) => {
    const random = testRandom(t);
    const mongo = await testMongo();
    await using kafka = await startKafka();
    await using bed = await pipelineBed({ mongo, brokers: kafka.brokers, delivery });
    await using oracle = await startOracle({ uri: mongo, db: bed.db });
    await using sluice = bed.start();
    await bed.waitFor(sluice, isReady);
    const stop = new AbortController();
    const workload = runWorkload({ uri: mongo, db: bed.db, keys: 100, seed: random.seed, pauseMs: 15 }, stop.signal);
    try {
      await bed.waitFor(sluice, (status) => status.counts.delivered > 200);
      await kafka.stop('SIGKILL');
      await bed.waitFor(sluice, (status) => status.state === 'backing-off' && status.error !== undefined);
      // The outage itself: its length is what is tested.
      await delay(20_000);
      const unready = await fetch(`${bed.url}/readyz`);
      assert.equal(unready.status, 503, await unready.text());
      const before = (await bed.waitFor(sluice, () => true)).counts.delivered;
      await kafka.start();
      await bed.waitFor(
        sluice,
        (status) => status.state === 'running' && status.counts.delivered > before + 300,
        240_000,
      );
    } finally {
      stop.abort();
      await workload;
    }
    const expected = await oracle.settle();
    await untilDelivered(bed, expected);
    await sluice.end('SIGTERM');
    const duplicates = assertDelivered(expected, await bed.delivered(), delivery);
    t.diagnostic(`${expected.length} events, ${duplicates} came again`);
  });
}
