import { setTimeout as delay } from 'node:timers/promises';
import type { Collection, ObjectId } from 'mongodb';
import { makeOrder, seededRandom, withClient } from './orders.ts';

const WRITES_PER_SECOND = 2_000;
const WRITERS = 4;
const SAMPLE = 20_000;

type Orders = Collection<{ _id: ObjectId }>;
/** The n-th write of a writer. */
type Write = (n: number, random: () => number) => Promise<unknown>;

/** Inserts 2,000 orders a second into `shop.orders` for as long as the work takes. */
export function insertWhile<T>(uri: string, work: () => Promise<T>): Promise<T> {
  return writeWhile(uri, async (orders) => (n, random) => orders.insertOne(makeOrder(n, random)), work);
}

/** Changes 2,000 orders a second, all over `shop.orders`, for as long as the work takes. */
export function updateWhile<T>(uri: string, work: () => Promise<T>): Promise<T> {
  const prepare = async (orders: Orders): Promise<Write> => {
    const pipeline = [{ $sample: { size: SAMPLE } }, { $project: { _id: 1 } }];
    const ids = (await orders.aggregate<{ _id: ObjectId }>(pipeline).toArray()).map(({ _id }) => _id);
    return (n, random) =>
      orders.updateOne({ _id: ids[Math.floor(random() * ids.length)] as ObjectId }, { $set: { n } });
  };
  return writeWhile(uri, prepare, work);
}

async function writeWhile<T>(
  uri: string,
  prepare: (orders: Orders) => Promise<Write>,
  work: () => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  return withClient(uri, async (client) => {
    const write = await prepare(client.db('shop').collection<{ _id: ObjectId }>('orders'));
    const writing = Promise.all(Array.from({ length: WRITERS }, (_, n) => writeSteadily(write, n, stop.signal)));
    try {
      return await work();
    } finally {
      stop.abort();
      await writing;
    }
  });
}

async function writeSteadily(write: Write, writer: number, signal: AbortSignal): Promise<void> {
  const random = seededRandom(writer);
  const startedMs = performance.now();
  for (let written = 1; !signal.aborted; written++) {
    await write(written, random);
    const aheadMs = (written * WRITERS * 1_000) / WRITES_PER_SECOND - (performance.now() - startedMs);
    if (aheadMs > 1) await delay(aheadMs);
  }
}
