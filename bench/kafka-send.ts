/**
 * The ceiling of a snapshot into Kafka: the Kafka client alone sends documents of the same kind, ready as bytes. Run as
 * a process of its own: `kafka-send.ts BROKERS PARTITIONS COUNT`; prints one JSON line.
 */
import { randomUUID } from 'node:crypto';
import { Admin, ProduceAcks, Producer } from '@platformatic/kafka';
import { BSON } from 'mongodb';
import { measure } from './measure.ts';
import { makeOrder, seededRandom } from './orders.ts';

const [brokers = '', partitions = '1', count = '0'] = process.argv.slice(2);
const BATCH = 5_000;
const IN_FLIGHT = 5;

const topic = `ceiling-${randomUUID().slice(0, 8)}`;
const connection = { clientId: 'bench', bootstrapBrokers: brokers.split(',') };
const admin = new Admin(connection);
await admin.createTopics({ topics: [topic], partitions: Number(partitions), replicas: 1 });
await admin.close();
const random = seededRandom(1);
const messages = Array.from({ length: BATCH }, (_, number) => {
  const order = makeOrder(number, random);
  return { topic, key: Buffer.from(order._id.id), value: Buffer.from(BSON.serialize(order)) };
});
const producer = new Producer({ ...connection, idempotent: true });
await producer.metadata({ topics: [topic] });
const result = await measure(async () => {
  const sends = new Set<Promise<unknown>>();
  for (let sent = 0; sent < Number(count); sent += BATCH) {
    const send: Promise<unknown> = producer
      .send({ messages, acks: ProduceAcks.ALL, compression: 'zstd' })
      .finally(() => sends.delete(send));
    sends.add(send);
    if (sends.size >= IN_FLIGHT) await Promise.race(sends);
  }
  await Promise.all(sends);
  return Number(count);
});
await producer.close();
console.log(JSON.stringify(result));
