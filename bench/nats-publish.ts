/**
 * The ceiling of a sink into JetStream: the client alone publishes bodies of the same kind, ready as bytes, with a window
 * of 1,000 acknowledgements. Run as a process of its own: `nats-publish.ts SERVERS URI T I COUNT`; prints one JSON line.
 */
import { randomUUID } from 'node:crypto';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Timestamp } from 'mongodb';
import { NamespaceCache } from '../packages/sluice/src/bson/namespace-cache.ts';
import { parseChangeEvent } from '../packages/sluice/src/bson/raw-change-event.ts';
import { createFormat } from '../packages/sluice/src/formats/formats.ts';
import { measure } from './measure.ts';
import { withClient } from './orders.ts';

const [servers = '', uri = '', t = '0', i = '0', count = '0'] = process.argv.slice(2);
const WINDOW = 1_000;
const SAMPLE = 5_000;

const bodies = await sampleBodies();
const connection = await connect({ servers: servers.split(',') });
const name = `alone-${randomUUID().slice(0, 8)}`;
const manager = await jetstreamManager(connection);
await manager.streams.add({ name, subjects: [`${name}.>`] });
const stream = jetstream(connection);
const result = await measure(async () => {
  const open = new Set<Promise<unknown>>();
  for (let sent = 0; sent < Number(count); sent++) {
    const body = bodies[sent % bodies.length] as Uint8Array;
    const publish: Promise<unknown> = stream.publish(`${name}.orders.insert`, body).finally(() => open.delete(publish));
    open.add(publish);
    if (open.size >= WINDOW) await Promise.race(open);
  }
  await Promise.all(open);
  return Number(count);
});
await manager.streams.delete(name);
await connection.close();
console.log(JSON.stringify(result));

/** What the sink's default format makes of the first changes. */
async function sampleBodies(): Promise<Uint8Array[]> {
  const identity = { cluster: 'bench', connector: 'bench', version: '0' };
  const format = createFormat({ name: 'change', json: 'relaxed', identity });
  return withClient(uri, async (client) => {
    const startAtOperationTime = new Timestamp({ t: Number(t), i: Number(i) });
    const reply = await client
      .db('shop')
      .command(
        { aggregate: 'orders', pipeline: [{ $changeStream: { startAtOperationTime } }], cursor: { batchSize: SAMPLE } },
        { fieldsAsRaw: { firstBatch: true } },
      );
    const raws = (reply['cursor'] as { firstBatch: Uint8Array[] }).firstBatch;
    const namespaces = new NamespaceCache();
    return raws.map((raw) => {
      const event = parseChangeEvent(raw, namespaces);
      const record = format.encode({ event, namespace: event.namespace });
      return Uint8Array.from(record?.value ?? []);
    });
  });
}
