import { type Collection, Long, MongoClient, ObjectId } from 'mongodb';

const CITIES = ['Springfield', 'Riverside', 'Franklin', 'Greenville', 'Clinton', 'Salem', 'Madison', 'Georgetown'];
const STATUSES = ['created', 'paid', 'packed', 'shipped', 'delivered'];

/** A seeded generator of numbers in [0, 1), so that every run loads the same documents. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** An order of about 430 bytes of BSON: strings, numbers of three types, dates, a sub-document, an array of two lines. */
export function makeOrder(number: number, random: () => number): { _id: ObjectId } & Record<string, unknown> {
  const line = (n: number) => ({
    sku: `SKU-${Math.floor(random() * 90_000 + 10_000)}`,
    name: `Article ${n} of order`,
    quantity: 1 + Math.floor(random() * 5),
    price: Math.round(random() * 10_000) / 100,
  });
  return {
    _id: new ObjectId(),
    number: Long.fromNumber(number),
    status: STATUSES[Math.floor(random() * STATUSES.length)],
    customer: { id: Math.floor(random() * 100_000), name: `Customer ${Math.floor(random() * 100_000)}` },
    address: {
      street: `${Math.floor(random() * 900)} Main Street`,
      city: CITIES[Math.floor(random() * CITIES.length)],
      zip: '12345',
    },
    lines: [line(1), line(2)],
    total: Math.round(random() * 100_000) / 100,
    paid: random() < 0.5,
    createdAt: new Date(1_760_000_000_000 + Math.floor(random() * 1e9)),
  };
}

/** Inserts `count` orders in batches of 1,000. */
export async function loadOrders(collection: Collection<{ _id: ObjectId }>, count: number): Promise<void> {
  const random = seededRandom(count);
  for (let start = 0; start < count; start += 1_000) {
    const size = Math.min(1_000, count - start);
    await collection.insertMany(Array.from({ length: size }, (_, n) => makeOrder(start + n, random)));
  }
}

/** Opens a client, runs the work and closes it. */
export async function withClient<T>(uri: string, work: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(uri);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
