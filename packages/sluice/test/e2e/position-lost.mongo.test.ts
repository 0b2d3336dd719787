import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { BSON, MongoClient } from 'mongodb';
import type { ChangeEvent } from '../../src/core/change-event.ts';
import { compareClusterTime } from '../../src/core/cluster-time.ts';
import { type MongoServer, startMongo } from '../../src/testing/servers/mongo.ts';
import { sinkRecordOf } from '../../src/testing/sink-record.ts';
import { overflowOplog } from '../overflow-oplog.ts';
import { behindNow, isCopied } from '../snapshot-bed.ts';
import { type StreamBed, streamBed } from '../stream-bed.ts';

/*
 * A server whose oplog overflows within seconds, and what a pipeline does whose position is no longer in it.
 */

const LIMIT = { timeout: 400_000 };
const COLLECTIONS = ['a', 'b'];
const PER_COLLECTION = 300;

let server: MongoServer;
let client: MongoClient;
before(async () => {
  server = await startMongo({ oplogSizeMb: 1 });
  client = await MongoClient.connect(server.uri);
});
after(async () => {
  await client.close();
  await server[Symbol.asyncDispose]();
});

interface Item {
  _id: string;
  n: number;
}

/** A sink that can delete: it holds the documents with the time of what it was given of them. */
class Target {
  readonly documents = new Map<string, { readonly n: number | undefined; readonly at: ChangeEvent['version'] }>();
  /** Operations in their order; rows and changes of documents as one each. */
  readonly ops: string[] = [];
  readonly events: ChangeEvent[] = [];

  readonly take = (event: ChangeEvent): void => {
    const { namespace, key, op, n } = sinkRecordOf(event.raw);
    const what = `${op} ${event.namespace.coll}`;
    if (this.ops.at(-1) !== what) this.ops.push(what);
    if (key === undefined) this.events.push(event);
    const name = `${namespace} ${key}`;
    if (op === 'snapshotEnd') this.#removeOlder(namespace, timeIn(event));
    else if (op === 'delete') this.documents.delete(name);
    else if (key !== undefined) this.documents.set(name, { n, at: event.version });
  };

  get counters(): Counters {
    return Object.fromEntries([...this.documents].map(([name, { n }]) => [name, n]));
  }

  #removeOlder(namespace: string, since: ChangeEvent['version']['clusterTime']): void {
    for (const [name, { at }] of this.documents) {
      const older = compareClusterTime(at.clusterTime, since) < 0;
      if (older && name.startsWith(`${namespace} `)) this.documents.delete(name);
    }
  }
}

function timeIn(event: ChangeEvent) {
  const { since } = BSON.deserialize(event.raw) as { since: BSON.Timestamp };
  return { t: since.getHighBits(), i: since.getLowBits() };
}

type Counters = Readonly<Record<string, number | undefined>>;

function differences(held: Counters, expected: Counters): string[] {
  const names = new Set([...Object.keys(held), ...Object.keys(expected)]);
  return [...names]
    .filter((name) => held[name] !== expected[name])
    .map((name) => `${name}: ${held[name]} and not ${expected[name]}`)
    .slice(0, 10);
}

interface Case extends AsyncDisposable {
  readonly db: string;
  readonly target: Target;
  readonly bed: StreamBed;
  /** What the target should hold. */
  source(): Promise<Counters>;
  items(collection: string): ReturnType<typeof itemsOf>;
}

const itemsOf = (db: string, collection: string) => client.db(db).collection<Item>(collection);

async function newCase(source: object): Promise<Case> {
  const db = `lost_${randomUUID().slice(0, 8)}`;
  const target = new Target();
  for (const name of COLLECTIONS) {
    const documents = Array.from({ length: PER_COLLECTION }, (_, i) => ({ _id: `${name}${i}`, n: 1 }));
    await itemsOf(db, name).insertMany(documents);
  }
  return {
    db,
    target,
    bed: streamBed({ mongo: server.uri, db, source, take: target.take }),
    items: (collection) => itemsOf(db, collection),
    async source() {
      const all: Record<string, number> = {};
      for (const name of COLLECTIONS) {
        for await (const { _id, n } of itemsOf(db, name).find()) {
          all[`${db}.${name} ${BSON.EJSON.stringify({ _id }, { relaxed: false })}`] = n;
        }
      }
      return all;
    },
    async [Symbol.asyncDispose]() {
      await client.db(db).dropDatabase();
    },
  };
}

/** Copies, stops, lets changes of every kind fall into the gap, and lets the oplog forget them. */
async function loseChanges({ bed, items }: Case): Promise<void> {
  {
    await using first = bed.start();
    await first.waitFor(isCopied);
    const isBehind = await behindNow(client);
    await first.waitFor((status) => isBehind(status));
    await first.stop();
  }
  for (const name of COLLECTIONS) {
    await items(name).deleteMany({ _id: { $in: [`${name}1`, `${name}2`, `${name}299`] } });
    await items(name).updateMany({ _id: { $in: [`${name}3`, `${name}4`] } }, { $set: { n: 2 } });
    await items(name).insertOne({ _id: `${name}new`, n: 1 });
  }
  await overflowOplog(client);
}

test('resnapshot: everything is copied again, and the target loses what was deleted in the gap', LIMIT, async () => {
  await using lost = await newCase({ snapshot: 'initial' });
  const { bed, target, items } = lost;
  await loseChanges(lost);
  target.ops.length = 0;
  target.events.length = 0;
  await using second = bed.start({ onPositionLost: 'resnapshot' });
  const { snapshot } = await second.waitFor(isCopied);
  assert.equal(snapshot?.reason, 'position-lost');
  await items('a').updateOne({ _id: 'a5' }, { $set: { n: 7 } });
  await items('b').deleteOne({ _id: 'b6' });
  const isBehind = await behindNow(client);
  await second.waitFor((status) => isBehind(status));
  await second.stop();
  assert.deepEqual(differences(target.counters, await lost.source()), []);
  assert.deepEqual(target.events.map(({ op, namespace }) => `${op} ${namespace.coll}`).sort(), [
    'snapshotEnd a',
    'snapshotEnd b',
  ]);
  for (const name of COLLECTIONS) {
    const ended = target.ops.indexOf(`snapshotEnd ${name}`);
    assert.ok(
      target.ops.lastIndexOf(`snapshot ${name}`) < ended,
      `${target.ops.join()}: the end comes behind the rows`,
    );
  }
  await using third = bed.start({ onPositionLost: 'resnapshot' });
  const again = await third.waitFor(({ state }) => state === 'running');
  assert.equal(again.snapshot, undefined, 'it is not copied a third time');
});

test(
  'resnapshot: a position that is lost for the third time before the copy is done stops the pipeline',
  LIMIT,
  async () => {
    const snapshot = { mode: 'initial', maxRowsPerSecond: 20, chunkBytes: '64KiB' };
    await using lost = await newCase({ snapshot });
    const { bed } = lost;
    for (let start = 0; start < 3; start++) {
      await using slow = bed.start({ onPositionLost: 'resnapshot' });
      const status = await slow.waitFor((now) => (now.snapshot?.rows ?? 0) > 0 && now.checkpoint !== undefined);
      assert.equal(status.snapshot?.reason, start === 0 ? 'initial' : 'position-lost');
      await slow.stop();
      await overflowOplog(client);
    }
    await using last = bed.start({ onPositionLost: 'resnapshot' });
    const { state, error } = await last.ended;
    assert.equal(state, 'failed');
    assert.equal(error?.code, 'mongodb.position-lost-again');
    assert.match(error?.hint ?? '', /oplog longer/);
  },
);

test('skip: it goes on from now, and the gap is an event and stays in the status', LIMIT, async () => {
  await using lost = await newCase({ snapshot: 'initial' });
  const { bed, target, items } = lost;
  await loseChanges(lost);
  const held = target.counters;
  target.ops.length = 0;
  {
    await using second = bed.start({ onPositionLost: 'skip' });
    await second.waitFor(({ state, checkpoint }) => state === 'running' && checkpoint !== undefined);
    await items('a').updateOne({ _id: 'a5' }, { $set: { n: 7 } });
    const isBehind = await behindNow(client);
    const { gap } = await second.waitFor((status) => isBehind(status));
    assert.ok(gap && compareClusterTime(gap.from, gap.to) < 0, JSON.stringify(gap));
    await second.stop();
  }
  assert.deepEqual(target.ops, ['gap ', 'update a'], 'the gap stands before what follows, and nothing is copied');
  const name = `${lost.db}.a ${BSON.EJSON.stringify({ _id: 'a5' }, { relaxed: false })}`;
  assert.deepEqual(differences(target.counters, { ...held, [name]: 7 }), []);
  await using third = bed.start({ onPositionLost: 'skip' });
  const { gap } = await third.waitFor(({ state }) => state === 'running');
  assert.ok(gap, 'the gap is known after a restart too');
});

test('fail: nothing is skipped and nothing copied, also in the middle of a copy', LIMIT, async () => {
  await using lost = await newCase({ snapshot: { mode: 'initial', maxRowsPerSecond: 100 } });
  const { bed, target } = lost;
  {
    await using slow = bed.start();
    await slow.waitFor(({ snapshot }) => (snapshot?.rows ?? 0) > 0);
    await slow.stop();
  }
  await overflowOplog(client);
  const held = target.documents.size;
  assert.ok(held < 2 * PER_COLLECTION);
  await using last = bed.start();
  const { state, error } = await last.ended;
  assert.deepEqual([state, error?.code], ['failed', 'mongodb.position-lost']);
  assert.equal(target.documents.size, held);
});
