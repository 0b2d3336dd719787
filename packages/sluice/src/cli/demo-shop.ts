import { setTimeout as delay } from 'node:timers/promises';
import { type Db, MongoClient } from 'mongodb';

const FIRST = ['Ada', 'Grace', 'Edsger', 'Barbara', 'Donald', 'Frances', 'Alan', 'Radia'];
const LAST = ['Okafor', 'Lindqvist', 'Marchetti', 'Haddad', 'Novak', 'Tanaka', 'Oliveira', 'Keller'];
const ARTICLES = ['lamp', 'desk', 'chair', 'shelf', 'rug', 'mirror', 'clock', 'vase'];
const NEXT_STATUS: Record<string, string> = {
  created: 'paid',
  paid: 'packed',
  packed: 'shipped',
  shipped: 'delivered',
};

interface Customer {
  readonly _id: number;
  readonly name: string;
  readonly email: string;
  readonly orders: number;
}

interface Order {
  readonly _id: number;
  readonly customer: number;
  readonly status: string;
  readonly lines: readonly { readonly article: string; readonly quantity: number; readonly price: number }[];
  readonly total: number;
  readonly changedAt: Date;
}

/** How the shop is written to. */
export interface ShopOptions {
  readonly uri: string;
  /** Name of its database. */
  readonly database: string;
  /** Writes per second. */
  readonly rate: number;
  readonly signal: AbortSignal;
}

/**
 * A small shop that is open until the signal aborts: customers sign up, place orders (in a transaction with their
 * customer), orders move on, some are cancelled, addresses change. Resolves to the number of changes it made.
 */
export async function runShop(options: ShopOptions): Promise<number> {
  const client = new MongoClient(options.uri);
  try {
    await client.connect();
    return await new Shop(client, client.db(options.database)).open(options.rate, options.signal);
  } finally {
    await client.close();
  }
}

class Shop {
  readonly #client: MongoClient;
  readonly #db: Db;
  readonly #openOrders: Order[] = [];
  #customers = 0;
  #orders = 0;
  #changes = 0;

  constructor(client: MongoClient, db: Db) {
    this.#client = client;
    this.#db = db;
  }

  async open(rate: number, signal: AbortSignal): Promise<number> {
    const startedMs = performance.now();
    for (let step = 0; !signal.aborted; step++) {
      await this.#step();
      const aheadMs = (this.#changes * 1000) / rate - (performance.now() - startedMs);
      if (aheadMs > 0) await delay(aheadMs, undefined, { signal }).catch(() => undefined);
    }
    return this.#changes;
  }

  async #step(): Promise<void> {
    const choice = Math.random();
    if (this.#customers < 3 || choice < 0.12) return this.#signUp();
    if (this.#openOrders.length < 3 || choice < 0.45) return this.#placeOrder();
    if (choice < 0.85) return this.#moveOn();
    if (choice < 0.93) return this.#cancel();
    return this.#changeAddress();
  }

  async #signUp(): Promise<void> {
    const name = `${pick(FIRST)} ${pick(LAST)}`;
    const _id = ++this.#customers;
    const email = `${name.toLowerCase().replace(' ', '.')}@example.org`;
    await this.#db.collection<Customer>('customers').insertOne({ _id, name, email, orders: 0 });
    this.#changes += 1;
  }

  async #placeOrder(): Promise<void> {
    const quantity = 1 + Math.floor(Math.random() * 3);
    const price = Math.round(Math.random() * 20_000) / 100;
    const order: Order = {
      _id: ++this.#orders,
      customer: 1 + Math.floor(Math.random() * this.#customers),
      status: 'created',
      lines: [{ article: pick(ARTICLES), quantity, price }],
      total: Math.round(quantity * price * 100) / 100,
      changedAt: new Date(),
    };
    await this.#client.withSession((session) =>
      session.withTransaction(async () => {
        await this.#db.collection<Order>('orders').insertOne(order, { session });
        const ordered = { $inc: { orders: 1 } };
        await this.#db.collection<Customer>('customers').updateOne({ _id: order.customer }, ordered, { session });
      }),
    );
    this.#openOrders.push(order);
    this.#changes += 2;
  }

  async #moveOn(): Promise<void> {
    const index = Math.floor(Math.random() * this.#openOrders.length);
    const order = this.#openOrders[index] as Order;
    const status = NEXT_STATUS[order.status] ?? 'delivered';
    await this.#db
      .collection<Order>('orders')
      .updateOne({ _id: order._id }, { $set: { status, changedAt: new Date() } });
    if (status === 'delivered') this.#openOrders.splice(index, 1);
    else this.#openOrders[index] = { ...order, status };
    this.#changes += 1;
  }

  async #cancel(): Promise<void> {
    const [order] = this.#openOrders.splice(Math.floor(Math.random() * this.#openOrders.length), 1);
    await this.#db.collection<Order>('orders').deleteOne({ _id: (order as Order)._id });
    this.#changes += 1;
  }

  async #changeAddress(): Promise<void> {
    const _id = 1 + Math.floor(Math.random() * this.#customers);
    const email = `customer.${_id}.${Math.floor(Math.random() * 1000)}@example.org`;
    await this.#db.collection<Customer>('customers').updateOne({ _id }, { $set: { email } });
    this.#changes += 1;
  }
}

function pick(choices: readonly string[]): string {
  return choices[Math.floor(Math.random() * choices.length)] as string;
}
