/**
 * The ceiling of what is written to a search index: bare bulk requests with bodies that are already in memory, three at a
 * time. Run as a process of its own: `search-bulk.ts SOURCE-URI TARGET-URL DEFINITION COUNT`; prints one JSON line.
 * DEFINITION is a file with the settings and mappings that the index gets, as JSON.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ObjectId } from 'mongodb';
import { Pool } from 'undici';
import { measure } from './measure.ts';
import { withClient } from './orders.ts';

const BULK = 1_000;
const IN_FLIGHT = 3;
/** The versions are of this size in the sink: seconds, increments and ordinals in 63 bits. */
const FIRST_VERSION = 2n ** 58n;

const [source = '', target = '', definition = '', count = '0'] = process.argv.slice(2);

const bodies = await makeBodies();
const pool = new Pool(target, { connections: IN_FLIGHT });
const index = `bare-${randomUUID().slice(0, 8)}`;
await ask('PUT', `/${index}`, await readFile(definition, 'utf8'));
const result = await measure(async () => {
  const all = bodies.values();
  const send = async () => {
    for (const body of all) await sendBulk(body);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, send));
  return Number(count);
});
await ask('DELETE', `/${index}`);
await pool.close();
console.log(JSON.stringify(result));

/** The documents as the sink writes them: plain JSON without `_id`, each behind a line with its id and version. */
async function makeBodies(): Promise<readonly Buffer[]> {
  const made: Buffer[] = [];
  await withClient(source, async (client) => {
    const orders = client.db('shop').collection<{ _id: ObjectId }>('orders').find().limit(Number(count));
    let lines: string[] = [];
    let version = FIRST_VERSION;
    for await (const { _id, ...order } of orders) {
      const head = `{"index":{"_id":"${_id.toHexString()}","version":${++version},"version_type":"external"}}`;
      lines.push(head, JSON.stringify(order));
      if (lines.length === 2 * BULK) {
        made.push(Buffer.from(`${lines.join('\n')}\n`));
        lines = [];
      }
    }
    if (lines.length > 0) made.push(Buffer.from(`${lines.join('\n')}\n`));
  });
  return made;
}

async function sendBulk(body: Buffer): Promise<void> {
  // Without results of good items, as the sink asks for them, too.
  const text = await ask('POST', `/${index}/_bulk?filter_path=errors,items.*.error`, body);
  if (!text.includes('"errors":false')) throw new Error(text.slice(0, 500));
}

async function ask(method: 'PUT' | 'POST' | 'DELETE', path: string, body?: string | Buffer): Promise<string> {
  const headers = { 'content-type': method === 'POST' ? 'application/x-ndjson' : 'application/json' };
  const response = await pool.request({ method, path, body: body ?? null, headers });
  const text = await response.body.text();
  if (response.statusCode !== 200) throw new Error(`${method} ${path}: ${response.statusCode} ${text.slice(0, 500)}`);
  return text;
}
