import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { deserialize } from 'bson';
import { type ClientSession, type Db, Long, MongoClient } from 'mongodb';
import type { ChangeEvent } from '../core/change-event.ts';
import { comparePositions } from '../core/position.ts';
import { testMongo } from '../testing/servers/mongo.ts';
import { NamespaceCache } from './namespace-cache.ts';
import { parseChangeEvent } from './raw-change-event.ts';
import { type CursorReply, parseCursorReply } from './reply.ts';

/** Reads events of a database from now on, as raw bytes, until there are `count`. */
class RawStream {
  readonly #db: Db;
  readonly #session: ClientSession;
  readonly #namespaces = new NamespaceCache();
  #id = 0n;

  constructor(db: Db, session: ClientSession) {
    this.#db = db;
    this.#session = session;
  }

  async open(): Promise<void> {
    const stage = { $changeStream: { fullDocument: 'updateLookup', fullDocumentBeforeChange: 'whenAvailable' } };
    await this.#run({ aggregate: 1, pipeline: [stage], cursor: {} });
  }

  async read(count: number): Promise<ChangeEvent[]> {
    const events: ChangeEvent[] = [];
    const deadline = Date.now() + 120_000;
    while (events.length < count && Date.now() < deadline) {
      const reply = await this.#run({
        getMore: Long.fromBigInt(this.#id),
        collection: '$cmd.aggregate',
        maxTimeMS: 200,
      });
      assert.ok(reply.postBatchResumeToken);
      assert.equal(
        reply.bytes,
        reply.events.reduce((sum, event) => sum + event.length, 0),
      );
      events.push(...reply.events.map((raw) => parseChangeEvent(raw, this.#namespaces)));
    }
    return events;
  }

  async #run(command: Record<string, unknown>): Promise<CursorReply> {
    const reply = await this.#db.command(command, { raw: true, session: this.#session });
    const cursor = parseCursorReply(reply['cursor'] as Uint8Array);
    this.#id = cursor.id;
    return cursor;
  }
}

test('the events of a real server are read as they are', async () => {
  const client = await MongoClient.connect(await testMongo());
  const db = client.db(`events_${randomUUID().slice(0, 8)}`);
  const session = client.startSession();
  try {
    await db.createCollection('items', { changeStreamPreAndPostImages: { enabled: true } });
    const items = db.collection<{ _id: number; a?: number; b?: number[] }>('items');
    const stream = new RawStream(db, session);
    await stream.open();
    await items.insertOne({ _id: 1, a: 1, b: [1, 2, 3] });
    await items.updateOne({ _id: 1 }, { $set: { a: 2 } });
    await items.replaceOne({ _id: 1 }, { a: 3 });
    await client.withSession((own) =>
      own.withTransaction(async () => {
        await items.insertOne({ _id: 2 }, { session: own });
        await items.deleteOne({ _id: 2 }, { session: own });
      }),
    );
    await items.deleteOne({ _id: 1 });
    await items.rename('renamed');
    await db.dropCollection('renamed');

    const events = await stream.read(8);
    assert.deepEqual(
      events.map((event) => event.op),
      ['insert', 'update', 'replace', 'insert', 'delete', 'delete', 'rename', 'drop'],
    );
    const [insert, update, replace, first, second, remove, rename, drop] = events as [
      ChangeEvent,
      ChangeEvent,
      ChangeEvent,
      ChangeEvent,
      ChangeEvent,
      ChangeEvent,
      ChangeEvent,
      ChangeEvent,
    ];
    const decoded = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : deserialize(bytes));
    assert.deepEqual(decoded(insert.after()), { _id: 1, a: 1, b: [1, 2, 3] });
    assert.equal(insert.before(), undefined);
    assert.deepEqual(decoded(update.key()), { _id: 1 });
    assert.deepEqual(decoded(update.before()), { _id: 1, a: 1, b: [1, 2, 3] });
    assert.deepEqual(decoded(update.update())?.['updatedFields'], { a: 2 });
    assert.deepEqual(decoded(replace.after()), { _id: 1, a: 3 });
    assert.equal(remove.after(), undefined);
    assert.deepEqual([first.version.ordinal, second.version.ordinal], [0, 1]);
    assert.deepEqual(first.version.clusterTime, second.version.clusterTime);
    assert.ok(first.field('txnNumber') && first.field('lsid') && !insert.field('txnNumber'));
    assert.ok(events.slice(0, 6).every((event) => event.namespace === insert.namespace));
    assert.deepEqual(rename.namespace, { db: db.databaseName, coll: 'items' });
    assert.deepEqual(drop.namespace, { db: db.databaseName, coll: 'renamed' });
    for (const [index, event] of events.entries()) {
      assert.ok(Math.abs(event.sourceTimeMs - Date.now()) < 300_000);
      const next = events[index + 1];
      if (next) assert.ok(comparePositions(event.position, next.position) < 0);
    }
    assert.equal(new Set(events.map((event) => event.id)).size, events.length);
  } finally {
    await session.endSession();
    await db.dropDatabase();
    await client.close();
  }
});
