import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { findField } from '../../src/bson/elements.ts';
import { remains, simpleOrder } from '../../src/connectors/mongodb/snapshot/remaining.ts';
import { parseState, type SnapshotState } from '../../src/connectors/mongodb/snapshot/snapshot-state.ts';
import { decodeCheckpoint } from '../../src/core/checkpoint.ts';
import { readTopic, type TopicRecord } from '../../src/testing/kafka-reader.ts';
import { assertRight, KeyHistory, type SinkRecord } from '../../src/testing/key-history.ts';
import { mixedId } from '../../src/testing/mixed-ids.ts';
import { type Random, testRandom } from '../../src/testing/random.ts';
import { testKafka } from '../../src/testing/servers/kafka.ts';
import { testMongo } from '../../src/testing/servers/mongo.ts';
import { withMongo } from '../../src/testing/servers/mongo-member.ts';
import { bsonDocuments, sinkRecordOf } from '../../src/testing/sink-record.ts';
import type { SluiceProcess } from '../../src/testing/sluice-process.ts';
import { preloadKeys, runWorkload, type WorkloadOptions } from '../../src/testing/workload.ts';
import { type FileBed, fileBed, type PipelineBed, pipelineBed } from '../pipeline-bed.ts';
import { behindNow, documentsOf, isCopied } from '../snapshot-bed.ts';

const LIMIT = { timeout: 540_000 };
const DOCUMENTS = 20_000;
const MANY = { inCopy: 8, behind: 2 };
const FEW = { inCopy: 3, behind: 1 };
/** Slow enough that the copy outlives its kills. */
const SLOW = { mode: 'initial', chunkBytes: '64KiB', maxRowsPerSecond: 1_200 };

type Bed = Pick<PipelineBed, 'start' | 'waitFor' | 'configure'>;

/** Starts and kills the pipeline until the copy has been interrupted often enough, and a few times behind it. */
async function killRepeatedly(
  bed: Bed,
  { random, wanted }: { readonly random: Random; readonly wanted: typeof MANY },
  afterKill: (kill: number) => Promise<void> = async () => {},
): Promise<number> {
  let [kills, inCopy, behind] = [0, 0, 0];
  while (inCopy < wanted.inCopy || behind < wanted.behind) {
    await using victim = bed.start();
    const first = await bed.waitFor(victim, ({ snapshot, state }) => snapshot !== undefined || state === 'running');
    if (inCopy >= wanted.inCopy)
      await bed.waitFor(victim, (status) => status.snapshot === undefined || isCopied(status));
    // Some kills come as soon as there is anything, most at any time of the work.
    if (kills % 4 !== 0) await delay(random.next() * 500);
    const copying = (await bed.waitFor(victim, () => true)).snapshot?.state === 'copying';
    assert.ok(copying || inCopy >= wanted.inCopy, `the copy ended after ${inCopy} kills: ${JSON.stringify(first)}`);
    await kill(victim);
    kills += 1;
    if (copying) inCopy += 1;
    else behind += 1;
    await afterKill(kills);
    // What is left may come at full speed.
    if (inCopy === wanted.inCopy) await bed.configure({ snapshot: { ...SLOW, maxRowsPerSecond: 100_000 } });
  }
  return kills;
}

async function kill(victim: SluiceProcess): Promise<void> {
  const exit = await victim.end('SIGKILL');
  assert.equal(exit.signal, 'SIGKILL', `it ended by itself: ${victim.stderr.slice(-2_000)}`);
}

/** Lets the pipeline deliver everything and ends it. */
async function finish(bed: Bed, client: MongoClient): Promise<void> {
  const isBehind = await behindNow(client);
  await using last = bed.start();
  await bed.waitFor(last, (status) => isBehind(status) && status.lagEvents === 0, 240_000);
  const exit = await last.end('SIGTERM');
  assert.equal(exit.code, 0, last.stderr.slice(-2_000));
}

/** Ten writers on documents that were there before them. Disposing it removes the database. */
async function startWriting(options: Omit<WorkloadOptions, 'keys' | 'writers' | 'preloaded'>) {
  const plan = { idOf: mixedId, pauseMs: 15, ...options, keys: DOCUMENTS };
  await preloadKeys(plan);
  const end = new AbortController();
  const workload = runWorkload({ ...plan, writers: 10, preloaded: true }, end.signal);
  const stop = async () => {
    end.abort();
    const { ok, failed, unknown } = await workload;
    assert.equal(failed + unknown, 0, 'some writes failed');
    return ok;
  };
  return {
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await withMongo(options.uri, (client) => client.db(options.db).dropDatabase());
    },
  };
}

/** A record in the format `debezium`; undefined for a tombstone. */
function debeziumRecord({ key, value }: TopicRecord): SinkRecord | undefined {
  if (value === null) return undefined;
  const { op, after, updateDescription, source } = JSON.parse(value.toString());
  const { n, k } = JSON.parse(after ?? updateDescription?.updatedFields ?? '{}') as { n?: number; k?: number };
  const ops: Record<string, string> = { r: 'snapshot', c: 'insert', u: 'update', d: 'delete' };
  return { namespace: `${source.db}.${source.collection}`, key: String(key), op: ops[op] ?? op, n, k };
}

const changeRecord = ({ value }: TopicRecord) => sinkRecordOf(value as Buffer);

const FORMATS = [
  { format: { name: 'change', json: 'bson' }, recordOf: changeRecord, wanted: MANY },
  { format: { name: 'debezium', documents: 'relaxed' }, recordOf: debeziumRecord, wanted: FEW },
];

for (const { format, recordOf, wanted } of FORMATS) {
  test(
    `exactly once, ${format.name}: a snapshot of documents that change, killed again and again`,
    LIMIT,
    async (t) => {
      const random = testRandom(t);
      const mongo = await testMongo();
      const brokers = await testKafka();
      const delivery = 'exactly-once';
      await using bed = await pipelineBed({ mongo, brokers, delivery, sink: { format }, source: { snapshot: SLOW } });
      await using client = await MongoClient.connect(mongo);
      await using written = await startWriting({ uri: mongo, db: bed.db, seed: random.seed });
      const kills = await killRepeatedly(bed, { random, wanted });
      const writes = await written.stop();
      await finish(bed, client);
      const records = (await readTopic({ brokers }, bed.topic)).map(recordOf).filter((record) => record !== undefined);
      const history = new KeyHistory(delivery);
      for (const record of records) history.take(record);
      t.diagnostic(`${kills} kills, ${writes} writes, ${history.rows} rows, ${records.length} records`);
      assertRight([history], await documentsOf(client, bed.db, ['items']));
      assert.ok(writes > 1_000, `only ${writes} writes`);
      assert.ok(history.rows > DOCUMENTS / 2, `only ${history.rows} rows`);
    },
  );
}

/** The state of the snapshot in the checkpoint. */
async function savedState(client: MongoClient, { name }: FileBed): Promise<SnapshotState> {
  const partition = `${name}/0`;
  const checkpoints = client.db('sluice').collection<{ _id: string; checkpoint?: string }>('checkpoints');
  const text = (await checkpoints.findOne({ _id: partition }))?.checkpoint;
  return parseState(text === undefined ? undefined : decodeCheckpoint(text, partition, 'the test').position.state);
}

/** Rows that were delivered although the checkpoint before them says that their range was finished. */
function rowsOfFinishedRanges(events: readonly Buffer[], { run }: SnapshotState): number {
  if (run === undefined) return 0;
  return events.filter((event) => {
    const { namespace, op } = sinkRecordOf(event);
    const copy = run.collections.get(namespace);
    const key = findField(findField(event, 'documentKey')?.bytes ?? event, '_id');
    if (op !== 'snapshot' || copy === undefined || key === undefined) return false;
    // The order of a collation is the server's; there the test only knows of a collection that is finished.
    return copy.collation === undefined ? !remains(copy, key, simpleOrder) : copy.remaining?.length === 0;
  }).length;
}

test('at least once: only what was in flight comes again, with collections that come and go', LIMIT, async (t) => {
  const random = testRandom(t);
  const mongo = await testMongo();
  const sink = { format: { name: 'change', json: 'bson' }, rotate: { bytes: '1GiB' } };
  await using bed = await fileBed({ mongo, sink, source: { snapshot: SLOW } });
  await bed.configure({ exclude: [`${bed.db}.aside`] });
  await using client = await MongoClient.connect(mongo);
  const db = client.db(bed.db);
  await db.createCollection('folded', { collation: { locale: 'en', strength: 2 } });
  const collections = ['items', 'folded'];
  const idOf = (key: number) => (key % 2 === 0 ? mixedId(key) : key % 4 === 1 ? `KEY-${key}` : `key-${key}`);
  const others = { uri: mongo, db: bed.db, seed: random.seed, keys: 1_000 };
  await preloadKeys({ ...others, collections: ['reborn'] });
  await preloadKeys({ ...others, collections: ['aside'] });
  await using written = await startWriting({ uri: mongo, db: bed.db, seed: random.seed, collections, idOf });
  const states: SnapshotState[] = [];
  const lengths: number[] = [];
  const afterKill = async (kills: number) => {
    states.push(await savedState(client, bed));
    lengths.push(bsonDocuments(await readFile(bed.output)).length);
    if (kills === 2) await db.dropCollection('reborn');
    if (kills === 3) await preloadKeys({ ...others, collections: ['reborn'] });
    if (kills === 4) await db.renameCollection('aside', 'late');
  };
  const kills = await killRepeatedly(bed, { random, wanted: MANY }, afterKill);
  const writes = await written.stop();
  await finish(bed, client);
  const events = bsonDocuments(await readFile(bed.output));
  const perCollection = new Map<string, KeyHistory>();
  let finished = 0;
  for (const [life, state] of [parseState(undefined), ...states].entries()) {
    const delivered = events.slice(lengths[life - 1] ?? 0, lengths[life]);
    finished += rowsOfFinishedRanges(delivered, state);
    for (const record of delivered.map(sinkRecordOf)) historyOf(perCollection, record.namespace).take(record);
    for (const history of perCollection.values()) history.restarted();
  }
  const rows = [...perCollection].map(
    ([name, { rows: all, repeatedRows }]) => `${name} ${all} rows, ${repeatedRows} again`,
  );
  t.diagnostic(`${kills} kills, ${writes} writes, ${events.length} records; ${rows.join('; ')}`);
  assert.equal(finished, 0, 'rows of finished ranges came again');
  for (const names of [collections, ['reborn'], ['late']]) {
    const held = names.map((name) => historyOf(perCollection, `${bed.db}.${name}`));
    assertRight(held, await documentsOf(client, bed.db, names));
  }
});

function historyOf(histories: Map<string, KeyHistory>, namespace: string): KeyHistory {
  const history = histories.get(namespace) ?? new KeyHistory('at-least-once');
  histories.set(namespace, history);
  return history;
}
