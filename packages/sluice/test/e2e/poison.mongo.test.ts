import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { BSON, MongoClient } from 'mongodb';
import { sendRawCommand, serializeWithBytes } from '../../src/testing/raw-command.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { runSluice, writeConfig } from '../../src/testing/sluice-process.ts';
import { type FileBed, fileBed, isReady } from '../pipeline-bed.ts';

const PAD_BYTES = 9 * 1024 * 1024;
const INVALID_UTF8 = [0xff, 0xfe, 0xc0, 0x80];

/** Ten documents in one insert, so that they are one batch; number 5 has a string that is not UTF-8. */
async function insertTen(mongo: string, db: string): Promise<void> {
  const documents = Array.from({ length: 10 }, (_, _id) => ({ _id, text: _id === 5 ? 'AAAA' : 'fine' }));
  const reply = await sendRawCommand(
    mongo,
    serializeWithBytes({ insert: 'items', documents, $db: db }, 'AAAA', INVALID_UTF8),
  );
  assert.equal(reply['n'], 10, JSON.stringify(reply));
}

async function dlq(bed: FileBed, mongo: string, ...args: string[]) {
  const run = await runSluice(['dlq', ...args, '-c', bed.configPath, '--json'], { env: { BED_MONGO_URI: mongo } });
  assert.doesNotMatch(run.stderr, /at .*\.ts:\d+/, run.stderr);
  return { code: run.code, ...(JSON.parse(run.stdout) as { ok: boolean; result: Record<string, unknown> }) };
}

const listed = (answer: { result: Record<string, unknown> }) =>
  answer.result['deadLetters'] as Record<string, unknown>[];

for (const store of ['file', 'mongodb'] as const) {
  test(`a poison document in the middle of a batch goes to the dead letters (${store}) and is replayed`, {
    timeout: 400_000,
  }, async () => {
    const mongo = await testMongo();
    await using bed = await fileBed({
      mongo,
      ...(store === 'mongodb' ? { pipeline: { deadLetter: { mongodb: {} } } } : {}),
    });
    const client = await MongoClient.connect(mongo);
    try {
      {
        await using sluice = bed.start();
        await bed.waitFor(sluice, isReady);
        await insertTen(mongo, bed.db);
        const { counts } = await bed.waitFor(sluice, ({ counts }) => counts.delivered + counts.deadLettered === 10);
        assert.deepEqual([counts.delivered, counts.deadLettered], [9, 1]);
        await sluice.end('SIGTERM');
      }
      const lines = (await readFile(bed.output, 'utf8')).split('\n').filter(Boolean);
      const delivered = lines.map((line) => (JSON.parse(line) as { documentKey: { _id: number } }).documentKey._id);
      assert.deepEqual(delivered, [0, 1, 2, 3, 4, 6, 7, 8, 9]);

      const [letter, ...others] = listed(await dlq(bed, mongo, 'list'));
      assert.deepEqual(others, []);
      assert.match(String(letter?.['reason']), /UTF-8/i);
      const id = String(letter?.['id']);
      const shown = await dlq(bed, mongo, 'show', id);
      assert.match(JSON.stringify(shown.result), /fffec080/i, 'the raw bytes are there');

      // In the same format it is rejected again; as BSON it can be delivered.
      const again = await dlq(bed, mongo, 'replay', '--all');
      assert.equal(again.code, 4);
      assert.equal(listed(await dlq(bed, mongo, 'list'))[0]?.['attempts'], 2);
      const config = JSON.parse(await readFile(bed.configPath, 'utf8'));
      const { file } = config.pipelines[bed.name].sink;
      const path = `${bed.directory}/replayed.bson`;
      config.pipelines[bed.name].sink = { file: { ...file, path, format: { name: 'change', json: 'bson' } } };
      await writeConfig(bed.directory, config);
      const replayed = await dlq(bed, mongo, 'replay', '--all');
      assert.equal(replayed.code, 0, JSON.stringify(replayed));
      assert.deepEqual(listed(await dlq(bed, mongo, 'list')), []);
      assert.ok((await readFile(path)).includes(Buffer.from(INVALID_UTF8)));
    } finally {
      await client.db(bed.db).dropDatabase();
      await client.close();
    }
  });
}

test('an 18 MB event loses its before image, says so, and the stream goes on', { timeout: 400_000 }, async () => {
  const mongo = await testMongo();
  const images = { fullDocument: 'whenAvailable', beforeImage: 'whenAvailable' };
  await using bed = await fileBed({ mongo, source: images });
  const client = await MongoClient.connect(mongo);
  try {
    const db = client.db(bed.db);
    await db.createCollection('items', { changeStreamPreAndPostImages: { enabled: true } });
    const items = db.collection<{ _id: number; n?: number; pad?: string }>('items');
    await using sluice = bed.start();
    await bed.waitFor(sluice, isReady);
    await items.insertOne({ _id: 1, pad: 'x'.repeat(PAD_BYTES) });
    await items.updateOne({ _id: 1 }, { $set: { n: 1 } });
    await items.insertOne({ _id: 2 });
    await bed.waitFor(sluice, ({ counts }) => counts.delivered === 3);
    await sluice.end('SIGTERM');
    const lines = (await readFile(bed.output, 'utf8')).split('\n').filter(Boolean);
    const events = lines.map((line) => BSON.EJSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      events.map((event) => event['operationType']),
      ['insert', 'update', 'insert'],
    );
    const after = events[1]?.['fullDocument'] as { n: number; pad: string };
    assert.deepEqual([after.n, after.pad.length], [1, PAD_BYTES]);
    assert.ok(!('fullDocumentBeforeChange' in (events[1] ?? {})));
    assert.deepEqual(events[1]?.['_sluice'], { dropped: 'images' });
    assert.deepEqual((events[1]?.['updateDescription'] as { updatedFields: unknown } | undefined)?.updatedFields, {
      n: 1,
    });
    assert.deepEqual(events[2]?.['fullDocument'], { _id: 2 });
  } finally {
    await client.db(bed.db).dropDatabase();
    await client.close();
  }
});
