import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { testMongo } from '../src/testing/servers/mongo.ts';
import { startTcpProxy } from '../src/testing/tcp-proxy.ts';
import { waitFor } from '../src/testing/wait-for.ts';
import type { DocumentTarget } from './document-targets.ts';
import { wholeDocuments } from './document-targets.ts';
import { isReady } from './pipeline-bed.ts';
import { behindNow } from './snapshot-bed.ts';
import { workerBed } from './worker-bed.ts';

/** A target, and the server that it is on. */
export interface ZombieRun {
  readonly target: DocumentTarget;
  readonly settings?: object;
  /** Port of the server on this machine. */
  readonly port: number;
  /** The address of the server with another port. */
  addressAt(port: number): string;
  /** How long the server has to forget the deletes, where it forgets them. */
  readonly forgetsAfterMs?: number;
}

/** Long enough that an owner on a busy machine does not lose it for being late. */
const LEASE_MS = 10_000;
const DOCUMENTS = 200;
const TAKE_OVER_MS = 120_000;
/** Late writes of the former owner would be there by then. */
const AFTER_MS = 2_000;

/**
 * The owner of a pipeline stands still in the middle of its writes: the network holds them back, and the process is
 * stopped. Another one takes over, and every document is deleted. Then the held writes arrive and the former owner goes on:
 * nothing comes back.
 */
export async function zombieRun({ target, settings, port, addressAt, forgetsAfterMs = 0 }: ZombieRun): Promise<void> {
  const uri = await testMongo();
  await using bed = await workerBed();
  const source = { uri, db: `zombie_${bed.id}` };
  const name = `zombie-${bed.id}`;
  await using proxy = await startTcpProxy(port);
  const client = await MongoClient.connect(uri);
  const writing = { stop: new AbortController(), done: Promise.resolve() };
  try {
    const lease = { mongodb: {}, ttl: `${LEASE_MS}ms` };
    const pipeline = { source: wholeDocuments(source), lease };
    await using former = await bed.start({
      [name]: { ...pipeline, sink: target.sink(settings, addressAt(proxy.port)) },
    });
    await former.waitFor(name, isReady);
    await using next = await bed.start({ [name]: { ...pipeline, sink: target.sink(settings) } });
    await next.waitFor(name, ({ state }) => state === 'standby');
    const items = client.db(source.db).collection<{ _id: number; n: number }>('items');
    await items.insertMany(Array.from({ length: DOCUMENTS }, (_, _id) => ({ _id, n: 0 })));
    writing.done = keepUpdating(items, writing.stop.signal);
    await former.waitFor(name, ({ counts }) => counts.delivered > 2 * DOCUMENTS);
    proxy.blackhole();
    await former.waitFor(name, ({ lagEvents }) => lagEvents > DOCUMENTS);
    former.process.signal('SIGSTOP');
    await next.waitFor(name, ({ lease: held, state }) => held?.owned === true && state !== 'standby', TAKE_OVER_MS);
    writing.stop.abort();
    await writing.done;
    await items.deleteMany({});
    const isBehind = await behindNow(client);
    await next.waitFor(name, isBehind, TAKE_OVER_MS);
    assert.deepEqual(await target.ids(source, 'items'), []);
    await delay(forgetsAfterMs);
    proxy.heal();
    former.process.signal('SIGCONT');
    await former.waitFor(name, ({ state }) => state === 'standby', TAKE_OVER_MS);
    await delay(AFTER_MS);
    assert.deepEqual(await target.ids(source, 'items'), [], 'deleted documents came back');
    await items.insertOne({ _id: 1, n: 0 });
    await waitFor(async () => (await target.ids(source, 'items')).length === 1, {
      timeoutMs: 90_000,
      message: 'a new document arrives',
    });
  } finally {
    writing.stop.abort();
    await writing.done;
    await client.db(source.db).dropDatabase();
    await client.close();
  }
}

async function keepUpdating(
  items: { updateMany(filter: object, update: object): Promise<unknown> },
  signal: AbortSignal,
): Promise<void> {
  for (; !signal.aborted; await delay(50)) await items.updateMany({}, { $inc: { n: 1 } });
}
