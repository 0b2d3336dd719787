import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { type Db, MongoClient } from 'mongodb';
import type { PipelineStatus } from '../core/status.ts';
import { testMongo } from '../testing/servers/mongo.ts';
import { runSluice, SluiceProcess, waitForStatus, writeConfig } from '../testing/sluice-process.ts';
import { type TempDir, tempDir } from '../testing/temp-dir.ts';
import { waitFor } from '../testing/wait-for.ts';

/*
 * The commands against a real server: what they print, their exit codes, and how they end.
 */

const LIMIT = { timeout: 600_000 };

let uri: string;
let client: MongoClient;
const databases: Db[] = [];

before(async () => {
  uri = await testMongo();
  client = await MongoClient.connect(uri);
});

after(async () => {
  await Promise.all(databases.map((db) => db.dropDatabase()));
  await client.close();
});

function freshDatabase(): Db {
  const db = client.db(`cli_${randomBytes(4).toString('hex')}`);
  databases.push(db);
  return db;
}

interface Setup {
  readonly db: Db;
  readonly directory: TempDir;
  readonly file: string;
  readonly options: { readonly env: Record<string, string> };
}

/** A configuration of one pipeline, `orders`, over a database of its own. */
async function setUp(pipeline: { source?: object; sink?: object; checkpoint?: object } = {}): Promise<Setup> {
  const db = freshDatabase();
  const directory = await tempDir('cli');
  const mongodb = {
    uri: '${env:CLI_MONGO}',
    include: [`${db.databaseName}.*`],
    maxAwaitTime: '50ms',
    ...pipeline.source,
  };
  const orders = {
    source: { mongodb },
    sink: pipeline.sink ?? { file: { path: './out.ndjson' } },
    checkpoint: { interval: '10ms', ...(pipeline.checkpoint ?? { file: { path: './checkpoints' } }) },
    deadLetter: { file: { path: './dead-letters' } },
  };
  const file = await writeConfig(directory.path, {
    version: 1,
    http: { listen: '127.0.0.1:0' },
    pipelines: { orders },
  });
  return { db, directory, file, options: { env: { CLI_MONGO: uri } } };
}

async function linesOf({ directory }: Setup): Promise<readonly string[]> {
  const text = await readFile(join(directory.path, 'out.ndjson'), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

/** Starts `run` and waits until the stream has begun: from then on nothing is missed. */
async function startRun({ file, options }: Setup): Promise<{ child: SluiceProcess; url: string }> {
  const child = new SluiceProcess(['run', '-c', file], options);
  const listening = /"url":"([^"]+)"/;
  await waitFor(() => listening.test(child.stderr), { timeoutMs: 60_000, message: 'the endpoint is up' });
  const url = listening.exec(child.stderr)?.[1] ?? '';
  const hasBegun = ({ acknowledged }: PipelineStatus) => acknowledged !== undefined;
  await waitForStatus(url, hasBegun, { pipeline: 'orders', process: child });
  return { child, url };
}

const delivered = (count: number) => (status: PipelineStatus) => status.counts.delivered >= count;

test('run delivers, tells its status, stops with code 0 and goes on where it was', LIMIT, async () => {
  const setup = await setUp();
  await using _directory = setup.directory;
  const numbers = setup.db.collection<{ _id: number }>('a');
  const first = await startRun(setup);
  await using child = first.child;
  await numbers.insertMany(Array.from({ length: 50 }, (_, _id) => ({ _id })));
  await waitForStatus(first.url, delivered(50), { pipeline: 'orders', process: child });

  const shown = await runSluice(['status', '--url', first.url], setup.options);
  assert.equal(shown.code, 0);
  assert.match(shown.stdout, /^PIPELINE +STATE .*\norders +running .* 50 /);
  const wrong = await runSluice(['status', 'ordres', '--url', first.url], setup.options);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /did you mean "orders"\?/);

  assert.equal((await child.end('SIGTERM')).code, 0, child.stderr);
  assert.match(child.stderr, /orders stopped, 50 delivered, 0 dead letters/);
  for (const line of child.stderr.trim().split('\n')) assert.ok(JSON.parse(line), 'logs are JSON lines');

  await numbers.insertOne({ _id: 50 });
  const second = await startRun(setup);
  await using again = second.child;
  await waitForStatus(second.url, delivered(1), { pipeline: 'orders', process: again });
  assert.equal((await again.end('SIGINT')).code, 0, again.stderr);
  const ids = (await linesOf(setup)).map(
    (line) => (JSON.parse(line) as { documentKey: { _id: number } }).documentKey._id,
  );
  assert.deepEqual(
    ids,
    Array.from({ length: 51 }, (_, _id) => _id),
    'nothing lost, nothing twice',
  );
});

test('a second signal ends a run that cannot save its checkpoint, with the code of the signal', LIMIT, async () => {
  const state = freshDatabase();
  // With this interval, what is delivered after the first save is only saved at the stop.
  const setup = await setUp({ checkpoint: { mongodb: { database: state.databaseName }, interval: '10m' } });
  await using _directory = setup.directory;
  const { child: running, url } = await startRun(setup);
  await using child = running;
  await setup.db.collection('a').insertOne({});
  await waitForStatus(url, ({ checkpoint }) => checkpoint !== undefined, { pipeline: 'orders', process: child });

  await using session = client.startSession();
  session.startTransaction();
  // Whoever writes to these documents now waits for the end of the transaction.
  const held = await state.collection('checkpoints').updateMany({}, { $set: { held: true } }, { session });
  assert.equal(held.matchedCount, 1);
  await setup.db.collection('a').insertOne({});
  await waitForStatus(url, delivered(2), { pipeline: 'orders', process: child });
  child.signal('SIGINT');
  await waitFor(() => child.stderr.includes('a second signal stops at once'), {
    timeoutMs: 30_000,
    message: 'it stops',
  });
  const { code } = await child.end('SIGINT');
  await session.abortTransaction();
  assert.equal(code, 130, child.stderr);
});

test('tail shows changes readably or as records, and keeps no checkpoint', LIMIT, async () => {
  const setup = await setUp();
  await using _directory = setup.directory;
  const from = new Date().toISOString();
  const orders = setup.db.collection<{ _id: number; status: string }>('orders');
  await orders.insertMany([
    { _id: 1, status: 'new' },
    { _id: 2, status: 'new' },
  ]);
  await orders.updateOne({ _id: 1 }, { $set: { status: 'paid' } });
  await orders.deleteOne({ _id: 2 });
  const tail = (...args: string[]) => runSluice(['tail', '-c', setup.file, '--from', from, ...args], setup.options);
  const [readable, json, debezium] = await Promise.all([
    tail('--limit', '4'),
    tail('--limit', '4', '--json'),
    tail('--limit', '1', '--format', 'debezium'),
  ]);
  const name = setup.db.databaseName;
  assert.equal(readable.code, 0, readable.stderr);
  const lines = readable.stdout
    .trim()
    .split('\n')
    .map((line) => line.replace(/^\S+ /, ''));
  assert.deepEqual(lines, [
    `insert  ${name}.orders 1  status: "new"`,
    `insert  ${name}.orders 2  status: "new"`,
    `update  ${name}.orders 1  status: "paid"`,
    `delete  ${name}.orders 2`,
  ]);
  const operations = json.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { operationType: string }).operationType);
  assert.deepEqual(operations, ['insert', 'insert', 'update', 'delete']);
  const record = JSON.parse(debezium.stdout) as { op: string; source: { connector: string } };
  assert.deepEqual([record.op, record.source.connector], ['c', 'mongodb']);
});

test('tail ends quietly after --for, at Ctrl-C, and when its reader has gone', LIMIT, async (t) => {
  const setup = await setUp();
  await using _directory = setup.directory;
  const timed = await runSluice(['tail', '-c', setup.file, '--for', '200ms'], setup.options);
  assert.deepEqual([timed.code, timed.stdout, timed.stderr], [0, '', '']);

  const bare = ['tail', '--uri', '${env:CLI_MONGO}', '--include', `${setup.db.databaseName}.*`];
  await using interrupted = new SluiceProcess(bare, setup.options);
  const numbers = setup.db.collection('a');
  const seen = async () => {
    await numbers.insertOne({});
    return interrupted.stdout.includes('insert');
  };
  await waitFor(seen, { timeoutMs: 60_000, message: 'a change is shown', intervalMs: 200 });
  assert.equal((await interrupted.end('SIGINT')).code, 0, interrupted.stderr);

  const main = resolve(import.meta.dirname, 'main.ts');
  const from = ['--from', new Date(Date.now() - 10_000).toISOString()];
  const child = spawn(process.execPath, [main, ...bare, ...from], { env: { ...process.env, ...setup.options.env } });
  child.stdout.once('data', () => child.stdout.destroy());
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  const writing = setInterval(() => void numbers.insertOne({}).catch(() => {}), 100);
  t.after(() => {
    clearInterval(writing);
    child.kill('SIGKILL');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  assert.deepEqual([code, stderr], [0, '']);
});

interface Listed {
  readonly result: {
    readonly deadLetters: readonly { reference: string; attempts: number; key: string; code: string }[];
  };
}

test('dead letters can be listed, shown, replayed in order and dropped', LIMIT, async () => {
  // Without the document, an update has no form as a document.
  const source = { fullDocument: 'off' };
  const path = './out.ndjson';
  const setup = await setUp({ source, sink: { file: { path, format: { name: 'document', whenGone: 'reject' } } } });
  await using _directory = setup.directory;
  const orders = setup.db.collection<{ _id: number; n: number }>('orders');
  await orders.insertMany([1, 2, 3].map((_id) => ({ _id, n: 0 })));
  const { child: running, url } = await startRun(setup);
  await using child = running;
  for (const _id of [1, 2, 3]) await orders.updateOne({ _id }, { $set: { n: 1 } });
  await waitForStatus(url, ({ counts }) => counts.deadLettered === 3, { pipeline: 'orders', process: child });
  await child.end('SIGTERM');

  const dlq = (...args: string[]) => runSluice(['dlq', ...args, '-c', setup.file], setup.options);
  const list = async () => (JSON.parse((await dlq('list', '--json')).stdout) as Listed).result.deadLetters;
  const [first, second] = await list();
  assert.deepEqual([first?.key, first?.attempts, second?.key], ['{"_id":1}', 1, '{"_id":2}']);
  assert.match((await dlq('list')).stdout, /^ID +FAILED .*\n.*update/);
  const shown = await dlq('show', first?.reference ?? '');
  assert.match(shown.stdout, /reason: +.*\n(.*\n)*.*"operationType": "update"/);
  assert.equal((await dlq('show', 'nope')).code, 2);

  const rejected = await dlq('replay', first?.reference ?? '');
  assert.equal(rejected.code, 4, rejected.stderr);
  assert.match(rejected.stdout, /0 delivered; 1 rejected again/);
  assert.equal((await list())[0]?.attempts, 2);

  const unsure = await dlq('drop', second?.reference ?? '');
  assert.equal(unsure.code, 2);
  assert.match(unsure.stderr, /1 dead letters of "orders" would be lost/);
  assert.equal((await dlq('drop', second?.reference ?? '', '--yes')).stdout, '1 dropped\n');

  const config = JSON.parse(await readFile(setup.file, 'utf8')) as { pipelines: { orders: { sink: object } } };
  config.pipelines.orders.sink = { file: { path, format: 'change' } };
  await writeConfig(setup.directory.path, config);
  const replayed = await dlq('replay', '--all');
  assert.deepEqual([replayed.code, replayed.stdout], [0, '2 delivered\n'], replayed.stderr);
  assert.match((await dlq('list')).stdout, /has no dead letters/);
  const ids = (await linesOf(setup)).map(
    (line) => (JSON.parse(line) as { documentKey: { _id: number } }).documentKey._id,
  );
  assert.deepEqual(ids, [1, 3]);
});

test('doctor finds a healthy deployment, and tells what is wrong with a bad place', LIMIT, async () => {
  const setup = await setUp();
  await using _directory = setup.directory;
  await setup.db.createCollection('orders');
  const good = await runSluice(['doctor', '-c', setup.file], setup.options);
  assert.equal(good.code, 0, good.stdout + good.stderr);
  assert.match(good.stdout, /✔ +orders +mongodb\.reachable/);
  assert.match(good.stdout, /0 errors\n$/);

  const bad = await setUp({ sink: { file: { path: './sluice.yaml/out.ndjson' } } });
  await using _other = bad.directory;
  const { code, stdout } = await runSluice(['doctor', '--json', '-c', bad.file], bad.options);
  assert.equal(code, 3);
  const { ok, result } = JSON.parse(stdout) as {
    ok: boolean;
    result: { findings: { check: string; level: string; fix?: string }[] };
  };
  assert.equal(ok, false);
  const error = result.findings.find(({ level }) => level === 'error');
  assert.equal(error?.check, 'file.writable');
  assert.ok(error?.fix);
});
