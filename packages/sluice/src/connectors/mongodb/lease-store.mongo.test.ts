import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, mock, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { silentLogger } from '../../core/logger.ts';
import { leaseStoreContract } from '../../testing/contracts/lease-store.ts';
import { testMongo } from '../../testing/servers/mongo.ts';
import { leaseStoreConfig } from './config.ts';
import { openMongodbLeaseStore } from './lease-store.ts';

const signal = new AbortController().signal;
const context = { pipeline: 'test', partition: 'test/0', logger: silentLogger, signal };

let uri: string;
let client: MongoClient;
before(async () => {
  uri = await testMongo();
  client = await new MongoClient(uri).connect();
});
after(() => client.close());

function place() {
  const database = `test_${randomBytes(5).toString('hex')}`;
  return {
    open: () => openMongodbLeaseStore(leaseStoreConfig.parse({ uri, database }), context),
    leases: client.db(database).collection<{ _id: string; holder?: object; epoch: number; expiresAt: Date }>('leases'),
    cleanup: async () => void (await client.db(database).dropDatabase()),
  };
}

// Somewhat longer, as timers and clocks are not of one mind about a millisecond.
leaseStoreContract('MongoDB', async () => ({ ...place(), elapse: (ms) => delay(ms + 50) }));

test('the clock of the caller does not matter: only the server says when a lease ends', async (t) => {
  const { open, leases, cleanup } = place();
  t.after(cleanup);
  await using store = await open();
  const [a, b] = [
    { id: 'a', name: 'a:1' },
    { id: 'b', name: 'b:1' },
  ];
  const ttlMs = 600_000;
  const before = Date.now();
  for (const jumpMs of [3_600_000, -3_600_000]) {
    mock.timers.enable({ apis: ['Date'], now: before + jumpMs });
    try {
      const { epoch } = await store.take({ partition: 'p/0', holder: a, ttlMs }, signal);
      assert.equal(await store.renew({ partition: 'p/0', holder: a, ttlMs, epoch }, signal), true);
      const seen = await store.take({ partition: 'p/0', holder: b, ttlMs }, signal);
      assert.equal(seen.holder?.id, 'a');
      assert.ok(seen.expiresInMs > ttlMs - 120_000 && seen.expiresInMs <= ttlMs, `${seen.expiresInMs} ms are left`);
    } finally {
      mock.timers.reset();
    }
    const { expiresAt } = (await leases.findOne({ _id: 'p/0' })) ?? assert.fail('there is no lease');
    assert.ok(Math.abs(expiresAt.getTime() - before - ttlMs) < 300_000, `it ends at ${expiresAt.toISOString()}`);
  }
});

test('waiting writes nothing', async (t) => {
  const { open, leases, cleanup } = place();
  t.after(cleanup);
  await using store = await open();
  const { operationTime } = await client.db('admin').command({ hello: 1 });
  await store.take({ partition: 'p/0', holder: { id: 'a', name: 'a:1' }, ttlMs: 600_000 }, signal);
  const before = await leases.findOne({ _id: 'p/0' });
  // By its time the server finds the place in the oplog, which holds what everybody wrote who uses this server.
  const written = { ts: { $gte: operationTime }, ns: leases.namespace };
  const count = async () => (await client.db('local').collection('oplog.rs').find(written).toArray()).length;
  const writes = await count();
  assert.ok(writes > 0);
  for (let look = 0; look < 5; look++) {
    await store.take({ partition: 'p/0', holder: { id: 'b', name: 'b:1' }, ttlMs: 60_000 }, signal);
  }
  assert.deepEqual(await leases.findOne({ _id: 'p/0' }), before);
  assert.equal(await count(), writes);
});

test('a lease that somebody has edited by hand is waited for, never trusted', async (t) => {
  const { open, leases, cleanup } = place();
  t.after(cleanup);
  const expiresAt = new Date(Date.now() + 600_000);
  await leases.insertOne({ _id: 'p/0', holder: { id: 7, process: { pid: -1, space: 4 } }, epoch: 41, expiresAt });
  await using store = await open();
  const seen = await store.take({ partition: 'p/0', holder: { id: 'b', name: 'b:1' }, ttlMs: 60_000 }, signal);
  assert.deepEqual([seen.holder?.id, seen.holder?.process, seen.epoch], ['7', undefined, 41]);
});
