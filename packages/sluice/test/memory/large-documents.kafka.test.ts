import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import { startKafka } from '../../src/testing/servers/kafka.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { isReady, pipelineBed } from '../pipeline-bed.ts';

const DOCUMENTS = 100;
const DOCUMENT_BYTES = 8 * 1024 * 1024;
/** Documents are outside the heap: 64 MiB in flight as BSON, as much again as JSON, replies on their way, the program. */
const MOST_RSS_MIB = 600;

test('100 documents of 8 MB pass with a heap of 256 MB', { timeout: 600_000 }, async (t) => {
  const mongo = await testMongo();
  const limit = String(32 * 1024 * 1024);
  await using kafka = await startKafka({ config: { 'message.max.bytes': limit, 'replica.fetch.max.bytes': limit } });
  await using bed = await pipelineBed({
    mongo,
    brokers: kafka.brokers,
    sink: { createTopics: { partitions: 1, replicationFactor: 1, config: { 'max.message.bytes': limit } } },
    pipeline: { inFlightBytes: '32MiB' },
  });
  await using sluice = bed.start({ nodeArgs: ['--max-old-space-size=256'] });
  await bed.waitFor(sluice, isReady);
  const client = await MongoClient.connect(mongo);
  try {
    const items = client.db(bed.db).collection<{ _id: number; text: string }>('items');
    const text = randomBytes(DOCUMENT_BYTES / 2).toString('hex');
    for (let _id = 0; _id < DOCUMENTS; _id++) await items.insertOne({ _id, text });
    await bed.waitFor(sluice, ({ counts }) => counts.delivered === DOCUMENTS, 480_000);
    const status = await readFile(`/proc/${sluice.pid}/status`, 'utf8');
    const peakMib = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
    t.diagnostic(`peak RSS ${Math.round(peakMib)} MiB`);
    assert.ok(peakMib < MOST_RSS_MIB, `peak RSS was ${peakMib} MiB`);
  } finally {
    await client.db(bed.db).dropDatabase();
    await client.close();
  }
});
