/**
 * The ceiling of what is written to MongoDB: the driver alone, with documents that are already in memory. Run as a
 * process of its own: `mongo-apply.ts SOURCE-URI TARGET-URI upsert|insert COUNT`; prints one JSON line.
 * `upsert`: replacements in bulks of 1,000, one after the other. `insert`: `insertMany` of 1,000, four at a time.
 */
import { randomUUID } from 'node:crypto';
import type { Collection, ObjectId } from 'mongodb';
import { measure } from './measure.ts';
import { withClient } from './orders.ts';

type Order = { _id: ObjectId };

const BULK = 1_000;
const IN_FLIGHT = 4;

const [source = '', target = '', mode = 'upsert', count = '0'] = process.argv.slice(2);

const documents = await withClient(source, (client) =>
  client.db('shop').collection<Order>('orders').find().limit(Number(count)).toArray(),
);
await withClient(target, async (client) => {
  const db = client.db(`bare-${randomUUID().slice(0, 8)}`);
  const collection = db.collection<Order>('orders', { writeConcern: { w: 'majority' } });
  const result = await measure(() => (mode === 'insert' ? insertAll(collection) : upsertAll(collection)));
  await db.dropDatabase();
  console.log(JSON.stringify(result));
});

function* bulks(): Generator<Order[]> {
  for (let start = 0; start < documents.length; start += BULK) yield documents.slice(start, start + BULK);
}

async function upsertAll(collection: Collection<Order>): Promise<number> {
  for (const bulk of bulks()) {
    await collection.bulkWrite(
      bulk.map((replacement) => ({
        replaceOne: { filter: { _id: replacement._id }, replacement, upsert: true },
      })),
      { ordered: false },
    );
  }
  return documents.length;
}

async function insertAll(collection: Collection<Order>): Promise<number> {
  const all = bulks();
  const insert = async () => {
    for (const bulk of all) await collection.insertMany(bulk, { ordered: false });
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, insert));
  return documents.length;
}
