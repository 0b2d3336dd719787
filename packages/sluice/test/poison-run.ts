import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { MongoClient } from 'mongodb';
import { testMongo } from '../src/testing/servers/mongo.ts';
import { runSluice } from '../src/testing/sluice-process.ts';
import { type DocumentTarget, wholeDocuments } from './document-targets.ts';
import { isReady } from './pipeline-bed.ts';
import { documentsWithOddIds, goodDocument, oddDocuments } from './poison-documents.ts';
import { behindNow } from './snapshot-bed.ts';
import { type RunningPipelines, type WorkerBed, workerBed } from './worker-bed.ts';

const GOOD = 1_500;
/** Numbers of documents with odd ids, and of odd documents that are copied and that come as changes, begin here. */
const ODD_COPIED = 100_000;
const ODD_CHANGED = 200_000;
const COLLECTION = 'items';
const LIMIT_MS = 120_000;

/** What became of odd documents. */
export interface PoisonOutcome {
  /** What is odd in those that are among the dead letters. */
  readonly refused: readonly string[];
}

/**
 * Documents that a target may refuse, among many good ones, as rows of a copy and as changes: each is in the target or
 * among the dead letters, the counts add up, and the good ones are there.
 */
export async function poisonRun(t: TestContext, target: DocumentTarget, settings: object = {}): Promise<PoisonOutcome> {
  const uri = await testMongo();
  await using bed = await workerBed();
  const client = await MongoClient.connect(uri);
  const [db, letters] = [`poison_${bed.id}`, `letters_${bed.id}`];
  const source = { uri, db };
  const items = client.db(db).collection<{ _id: unknown }>(COLLECTION);
  try {
    const [copied, changed] = [oddDocuments(ODD_COPIED), oddDocuments(ODD_CHANGED)];
    const good = Array.from({ length: GOOD }, (_, number) => goodDocument(1_000 + number));
    // The first ones say what the fields are like.
    await items.insertMany(good.slice(0, 100));
    await items.insertMany(shuffled([...copied.map(({ document }) => document), ...good.slice(100, 700)]));
    const name = `poison-${bed.id}`;
    await using running = await bed.start({
      [name]: {
        source: wholeDocuments(source, { snapshot: 'initial' }),
        sink: target.sink(settings),
        deadLetter: { mongodb: { database: letters } },
      },
    });
    await running.waitFor(name, isReady, LIMIT_MS);
    await items.insertMany(
      shuffled([...changed.map(({ document }) => document), ...documentsWithOddIds(), ...good.slice(700)]),
      { ordered: false },
    );
    const all = await items.countDocuments();
    const isBehind = await behindNow(client);
    const { counts } = await running.waitFor(name, (status) => isBehind(status) && status.lagEvents === 0, LIMIT_MS);
    t.diagnostic(`${all} documents: ${counts.delivered} delivered, ${counts.deadLettered} dead letters`);
    assert.equal(counts.delivered + counts.filtered + counts.deadLettered, counts.read, 'each is counted once');
    assert.ok(counts.read >= all);
    const found = await listedLetters(running, bed, name);
    assert.equal(found.length, counts.deadLettered);
    const { missing, extra, different } = await target.differences(source, COLLECTION);
    assert.deepEqual([extra, different], [[], []]);
    assert.deepEqual(found.toSorted(), missing.map(plainId).toSorted(), 'what is not there is among the dead letters');
    const oddIds = new Map([...copied, ...changed].map(({ what, document }) => [String(document._id), what]));
    return { refused: found.map((id) => oddIds.get(id) ?? `good ${id}`) };
  } finally {
    for (const name of [db, letters]) await client.db(name).dropDatabase();
    await client.close();
  }
}

interface ListedLetter {
  readonly reference: string;
  readonly key: string;
  readonly reason: string;
}

/** Ids of the dead letters, as `sluice dlq list` shows them. */
async function listedLetters(running: RunningPipelines, bed: WorkerBed, name: string): Promise<string[]> {
  await running.process.end('SIGTERM');
  const dlq = async (...args: readonly string[]) => {
    const of = ['-p', name, '-c', `${bed.directory}/process-1/sluice.yaml`, '--json'];
    const run = await runSluice(['dlq', ...args, ...of]);
    assert.equal(run.code, 0, run.stderr);
    return (JSON.parse(run.stdout) as { result: unknown }).result;
  };
  const { deadLetters } = (await dlq('list')) as { deadLetters: readonly ListedLetter[] };
  for (const { reason } of deadLetters) assert.notEqual(reason, '');
  const [first] = deadLetters;
  if (first !== undefined) assert.ok('event' in ((await dlq('show', first.reference)) as object));
  return deadLetters.map(({ key }) => String((JSON.parse(key) as { _id: number })._id));
}

/** The number that an id of the target stands for. */
function plainId(id: string): string {
  return id.replace(/^~/, '');
}

/** The same order every time, neither sorted nor in blocks. */
function shuffled<T>(items: readonly T[]): T[] {
  const step = 7_919;
  return items.map((_, index) => items[(index * step) % items.length] as T);
}
