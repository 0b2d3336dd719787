/**
 * The ceiling of what is written to PostgreSQL: a bare loop of guarded upserts with `unnest`, 1,000 rows each, over one
 * connection, with documents that are already in memory as JSON text. Run as a process of its own:
 * `postgres-upsert.ts SOURCE-URI TARGET-URI COUNT`; prints one JSON line.
 */
import { randomUUID } from 'node:crypto';
import type { ObjectId } from 'mongodb';
import { Client } from 'pg';
import { measure } from './measure.ts';
import { withClient } from './orders.ts';

const BULK = 1_000;
const FIRST_VERSION = 2n ** 58n;

const [source = '', target = '', count = '0'] = process.argv.slice(2);

const batches = await makeBatches();
const client = new Client({ connectionString: target });
await client.connect();
const schema = `bare_${randomUUID().slice(0, 8)}`;
await client.query(`create schema ${schema}`);
// As the sink makes it, but for columns of single fields.
await client.query(
  `create table ${schema}.orders
    (_id text collate "C" primary key, document jsonb not null, _ts bigint not null, _ord bigint not null)`,
);
const text = `insert into ${schema}.orders as old (_id, document, _ts, _ord)
  select * from unnest($1::text[], $2::jsonb[], $3::bigint[], $4::bigint[])
  on conflict (_id) do update
    set document = excluded.document, _ts = excluded._ts, _ord = excluded._ord
    where (old._ts, old._ord) < (excluded._ts, excluded._ord)`;
const result = await measure(async () => {
  for (const values of batches) await client.query({ name: 'upsert', text, values: [...values] });
  return Number(count);
});
await client.query(`drop schema ${schema} cascade`);
await client.end();
console.log(JSON.stringify(result));

/** Per batch the arrays of ids, documents, versions and ordinals. */
async function makeBatches(): Promise<readonly (readonly string[])[][]> {
  const made: string[][][] = [];
  await withClient(source, async (mongo) => {
    const orders = mongo.db('shop').collection<{ _id: ObjectId }>('orders').find().limit(Number(count));
    let version = FIRST_VERSION;
    let batch: [string[], string[], string[], string[]] = [[], [], [], []];
    for await (const order of orders) {
      batch[0].push(order._id.toHexString());
      batch[1].push(JSON.stringify(order));
      batch[2].push(String(++version));
      batch[3].push('0');
      if (batch[0].length < BULK) continue;
      made.push(batch);
      batch = [[], [], [], []];
    }
    if (batch[0].length > 0) made.push(batch);
  });
  return made;
}
