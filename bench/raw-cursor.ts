/**
 * The ceiling of a snapshot: one plain cursor of the driver over a collection, raw. Run as a process of its own:
 * `raw-cursor.ts URI DB COLL`; prints one JSON line.
 */
import { measure } from './measure.ts';
import { withClient } from './orders.ts';

const [uri = '', db = '', coll = ''] = process.argv.slice(2);

await withClient(uri, async (client) => {
  const result = await measure(async () => {
    let documents = 0;
    for await (const _ of client.db(db).collection(coll).find({}, { raw: true, batchSize: 10_000 })) documents += 1;
    return documents;
  });
  console.log(JSON.stringify(result));
});
