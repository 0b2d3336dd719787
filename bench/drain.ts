/**
 * The ceiling: reads the change stream of one collection raw and delivers it nowhere. Run as a process of its own:
 * `drain.ts URI DB COLL T I EVENTS`; prints one JSON line.
 */
import { Timestamp } from 'mongodb';
import { measure } from './measure.ts';
import { withClient } from './orders.ts';

const [uri = '', dbName = '', coll = '', t = '0', i = '0', count = '0'] = process.argv.slice(2);

await withClient(uri, async (client) => {
  const db = client.db(dbName);
  const session = client.startSession();
  const raw = { fieldsAsRaw: { firstBatch: true, nextBatch: true }, session };
  const startAtOperationTime = new Timestamp({ t: Number(t), i: Number(i) });
  const opened = await db.command(
    { aggregate: coll, pipeline: [{ $changeStream: { startAtOperationTime } }], cursor: { batchSize: 0 } },
    raw,
  );
  const { id } = opened['cursor'] as { id: bigint };
  const result = await measure(async () => {
    let events = 0;
    while (events < Number(count)) {
      const reply = await db.command({ getMore: id, collection: coll, batchSize: 10_000, maxTimeMS: 1_000 }, raw);
      events += (reply['cursor'] as { nextBatch: Uint8Array[] }).nextBatch.length;
    }
    return events;
  });
  await db.command({ killCursors: coll, cursors: [id] }, { session });
  await session.endSession();
  console.log(JSON.stringify(result));
});
