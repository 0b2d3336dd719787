import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { type Document, MongoClient, type Timestamp } from 'mongodb';
import { assertDelivered, checkCounters } from './delivery-checks.ts';
import { startOracle } from './oracle.ts';
import { testRandom } from './random.ts';
import { startMongo, testMongo } from './servers/mongo.ts';
import { primaryOf } from './servers/mongo-admin.ts';
import { withMongo } from './servers/mongo-member.ts';
import { waitFor } from './wait-for.ts';
import { runWorkload } from './workload.ts';
import type { WorkloadDocument } from './workload-keys.ts';

test('the oracle records exactly what the workload wrote, each key in steps of one', async (t) => {
  const uri = await testMongo();
  const { seed } = testRandom(t);
  const db = `workload-${randomUUID()}`;
  await using oracle = await startOracle({ uri, db });
  const result = await runWorkload({ uri, db, seed, collections: ['a', 'b'], keys: 50, operations: 1000 });
  assert.deepEqual([result.ok, result.failed, result.unknown], [1000, 0, 0]);
  const events = await oracle.settle();

  assert.deepEqual([...new Set(events.map((event) => event.op))].sort(), ['delete', 'insert', 'replace', 'update']);
  assert.deepEqual([...new Set(events.map((event) => event.namespace))].sort(), [`${db}.a`, `${db}.b`]);
  assert.equal(new Set(events.map((event) => event.id)).size, events.length);
  assert.deepEqual(
    checkCounters(
      events.map(({ key = '', n }) => ({ key, n })),
      'exactly-once',
    ),
    [],
  );
  assert.equal(assertDelivered(events, events, 'exactly-once'), 0);
  await assertLastStates(uri, db, events);

  const kinds = new Set(result.log.map((entry) => entry.kind));
  assert.deepEqual([...kinds].sort(), [
    'delete',
    'double-update',
    'insert',
    'reinsert',
    'replace',
    'transaction',
    'update',
  ]);
  const inTransactions = events.filter(({ event }) => 'txnNumber' in event).map(({ event }) => timeOf(event));
  assert.ok(new Set(inTransactions).size < inTransactions.length, 'no transaction had more than one event');
});

test('a signal ends the workload', async () => {
  const uri = await testMongo();
  const controller = new AbortController();
  const db = `workload-${randomUUID()}`;
  const running = runWorkload({ uri, db, seed: 1, writers: 2, pauseMs: 5 }, controller.signal);
  await withMongo(uri, async (client) => {
    const written = async () => (await client.db(db).collection('items').countDocuments()) > 0;
    await waitFor(written, { timeoutMs: 60_000, message: 'something is written' });
    controller.abort();
  });
  const result = await running;
  assert.ok(result.ok > 0);
  await assert.rejects(runWorkload({ uri, db: 'none', seed: 1 }), /never end/);
});

test('writers and oracle live through the death of the primary', { timeout: 400_000 }, async (t) => {
  await using server = await startMongo({ members: 3 });
  const { seed } = testRandom(t);
  await using oracle = await startOracle({ uri: server.uri, db: 'shop' });
  const controller = new AbortController();
  const writing = runWorkload({ uri: server.uri, db: 'shop', seed, keys: 50, pauseMs: 10 }, controller.signal);
  const seen = (count: number) => () => oracle.events.length >= count;
  await waitFor(seen(200), { timeoutMs: 90_000, message: 'the workload has written' });
  const killed = await primaryOf(server);
  await killed.kill('SIGKILL');
  const survivor = await primaryOf(server);
  assert.notEqual(survivor.port, killed.port);
  const before = oracle.events.length;
  await waitFor(seen(before + 300), { timeoutMs: 120_000, message: 'the workload goes on after the election' });
  await killed.start();
  controller.abort();
  const result = await writing;
  const events = await oracle.settle();
  t.diagnostic(`ok ${result.ok}, failed ${result.failed}, unknown ${result.unknown}, events ${events.length}`);
  assert.deepEqual(
    checkCounters(
      events.map(({ key = '', n }) => ({ key, n })),
      'exactly-once',
    ),
    [],
  );
  await assertLastStates(server.uri, 'shop', events);
});

function timeOf(event: Document): bigint {
  return (event['clusterTime'] as Timestamp).toBigInt();
}

/** The recorded history must end where the collections are. */
async function assertLastStates(
  uri: string,
  db: string,
  events: readonly { key: string | undefined; n: number | undefined; op: string; namespace: string }[],
): Promise<void> {
  const client = await MongoClient.connect(uri);
  try {
    const expected = new Map<string, number>();
    const last = new Map<string, number>();
    for (const { key = '', n, op } of events) {
      if (op === 'delete') last.delete(key);
      else if (n !== undefined) last.set(key, n);
    }
    for (const name of new Set(events.map((event) => event.namespace.slice(db.length + 1)))) {
      for await (const { _id, n } of client.db(db).collection<WorkloadDocument>(name).find()) {
        expected.set(`${db}.${name} ${JSON.stringify({ _id })}`, n);
      }
    }
    assert.deepEqual(last, expected);
  } finally {
    await client.close();
  }
}
