import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { DiscardPolicy, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { MongoClient } from 'mongodb';
import { assertDelivered } from '../../src/testing/delivery-checks.ts';
import { readStream } from '../../src/testing/nats-reader.ts';
import { startOracle } from '../../src/testing/oracle.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { type NatsServer, startNats, testNats } from '../../src/testing/servers/nats.ts';
import { runSluice } from '../../src/testing/sluice-process.ts';
import { waitFor } from '../../src/testing/wait-for.ts';
import { isReady, type NatsBed, natsBed } from '../pipeline-bed.ts';

interface Item {
  readonly _id: number;
  readonly pad: string;
}

const DEAD_LETTERS = { file: { file: { path: './dead-letters.ndjson' } }, mongodb: { mongodb: {} } } as const;
const MOST_MESSAGES = 50;

async function dlq(bed: NatsBed, mongo: string, ...args: string[]) {
  const run = await runSluice(['dlq', ...args, '-c', bed.configPath, '--json'], { env: { BED_MONGO_URI: mongo } });
  assert.equal(run.code, 0, run.stderr);
  return JSON.parse(run.stdout) as { result: { deadLetters: Record<string, unknown>[] } };
}

async function changePayload(nats: NatsServer, from: string, to: string): Promise<void> {
  const file = join(nats.dir, 'nats-0', 'nats.conf');
  await nats.stop();
  await writeFile(file, (await readFile(file, 'utf8')).replace(`max_payload: ${from}`, `max_payload: ${to}`));
  await nats.start();
}

for (const store of ['file', 'mongodb'] as const) {
  test(`a message over max_payload becomes a dead letter (${store}), later events go on, and it can be replayed`, {
    timeout: 400_000,
  }, async () => {
    const mongo = await testMongo();
    await using nats = await startNats({ config: ['max_payload: 64KB'] });
    const { servers } = nats;
    await using bed = await natsBed({ mongo, servers, pipeline: { deadLetter: DEAD_LETTERS[store] } });
    await using client = new MongoClient(mongo);
    const items = client.db(bed.db).collection<Item>('items');
    const ids = async () =>
      (await readStream({ servers, stream: bed.stream })).map(
        ({ payload }) => (JSON.parse(payload.toString()) as { documentKey: Item }).documentKey._id,
      );
    {
      await using sluice = bed.start();
      await bed.waitFor(sluice, isReady);
      const documents = Array.from({ length: 10 }, (_, _id) => ({ _id, pad: 'x'.repeat(_id === 5 ? 100_000 : 10) }));
      await items.insertMany(documents);
      await items.insertOne({ _id: 10, pad: 'later' });
      const { counts } = await bed.waitFor(sluice, (status) => status.counts.delivered === 10);
      assert.deepEqual({ ...counts, reread: 0 }, { read: 11, delivered: 10, filtered: 0, deadLettered: 1, reread: 0 });
      assert.equal((await sluice.end('SIGTERM')).code, 0, sluice.stderr);
    }
    assert.deepEqual(await ids(), [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]);
    const [letter, ...others] = (await dlq(bed, mongo, 'list')).result.deadLetters;
    assert.deepEqual(others, []);
    assert.match(JSON.stringify(letter), /nats\.message-too-large/);
    await changePayload(nats, '64KB', '1MB');
    await dlq(bed, mongo, 'replay', '--all');
    assert.deepEqual(await ids(), [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 5]);
    assert.deepEqual((await dlq(bed, mongo, 'list')).result.deadLetters, []);
    await client.db(bed.db).dropDatabase();
  });
}

async function withManager<T>(servers: readonly string[], work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: [...servers] });
  try {
    return await work(await jetstreamManager(connection));
  } finally {
    await connection.close();
  }
}

/** A small stream that refuses what does not fit. */
function addFullStream(servers: readonly string[], name: string, atomic: boolean) {
  const subjects = [`${name}.>`, `sluice.${name}.>`];
  const own = atomic ? { allow_atomic: true } : {};
  return withManager(servers, (manager) =>
    manager.streams.add({ name, subjects, discard: DiscardPolicy.New, max_msgs: MOST_MESSAGES, ...own }),
  );
}

for (const [delivery, atomic] of [
  ['at-least-once', true],
  ['exactly-once', true],
  ['at-least-once', false],
] as const) {
  const how = `${delivery}${atomic ? '' : ' without atomic batches'}`;
  test(`${how}: a full stream pauses the pipeline, which says so and goes on without loss`, {
    timeout: 400_000,
  }, async () => {
    const [mongo, servers] = [await testMongo(), await testNats()];
    await using bed = await natsBed({ mongo, servers, delivery });
    await addFullStream(servers, bed.stream, atomic);
    await using client = new MongoClient(mongo);
    await using oracle = await startOracle({ uri: mongo, db: bed.db });
    await using sluice = bed.start();
    await bed.waitFor(sluice, isReady);
    const items = client.db(bed.db).collection<Item>('items');
    const write = (start: number) =>
      items.insertMany(Array.from({ length: 100 }, (_, index) => ({ _id: start + index, pad: 'x' })));
    await write(0);
    const isFull = ({ error, state }: { error?: { code: string } | undefined; state: string }) =>
      state === 'backing-off' && error?.code === 'nats.stream-full';
    await bed.waitFor(sluice, isFull);
    await write(100);
    const ready = () => fetch(`${bed.url}/readyz`);
    const saysSo = async () => {
      const answer = await ready();
      return answer.status === 503 && (await answer.text()).includes('nats.stream-full');
    };
    await waitFor(saysSo, { timeoutMs: 90_000, message: 'it is not ready and says why' });
    const before = await bed.delivered();
    assert.ok(before.length < MOST_MESSAGES);
    await withManager(servers, (manager) => manager.streams.update(bed.stream, { max_msgs: -1 }));
    const { counts } = await bed.waitFor(
      sluice,
      (status) => status.state === 'running' && status.counts.delivered >= 200 && status.lagEvents === 0,
    );
    const expected = await oracle.settle();
    assert.deepEqual([expected.length, counts.delivered, counts.deadLettered], [200, 200, 0]);
    assertDelivered(expected, await bed.delivered(), 'exactly-once');
    assert.equal((await ready()).status, 200);
    assert.equal((await sluice.end('SIGTERM')).code, 0, sluice.stderr);
    await client.db(bed.db).dropDatabase();
  });
}
