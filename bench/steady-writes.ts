import { setTimeout as delay } from 'node:timers/promises';
import type { Collection, ObjectId } from 'mongodb';
import { makeOrder, seededRandom, withClient } from './orders.ts';

const WRITES_PER_SECOND = 2_000;
const WRITERS = 4;

/** Inserts 2,000 orders a second into `shop.orders` for as long as the work takes. */
export async function writeWhile<T>(uri: string, work: () => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const writing = withClient(uri, async (client) => {
    const orders = client.db('shop').collection<{ _id: ObjectId }>('orders');
    await Promise.all(Array.from({ length: WRITERS }, (_, writer) => writeSteadily(orders, writer, stop.signal)));
  });
  try {
    return await work();
  } finally {
    stop.abort();
    await writing;
  }
}

async function writeSteadily(
  orders: Collection<{ _id: ObjectId }>,
  writer: number,
  signal: AbortSignal,
): Promise<void> {
  const random = seededRandom(writer);
  const startedMs = performance.now();
  for (let written = 1; !signal.aborted; written++) {
    await orders.insertOne(makeOrder(written, random));
    const aheadMs = (written * WRITERS * 1_000) / WRITES_PER_SECOND - (performance.now() - startedMs);
    if (aheadMs > 1) await delay(aheadMs);
  }
}
