import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Db, MongoClient } from 'mongodb';
import { testMongo } from '../testing/servers/mongo.ts';
import { runSluice, SluiceProcess, waitForStatus, writeConfig } from '../testing/sluice-process.ts';
import { type TempDir, tempDir } from '../testing/temp-dir.ts';
import { waitFor } from '../testing/wait-for.ts';

/*
 * Snapshots as people use them, on a real server: what the commands print, and how they end.
 */

const LIMIT = { timeout: 600_000 };
const DOCUMENTS = 500;

let uri: string;
let client: MongoClient;
let db: Db;
let writes: NodeJS.Timeout;

before(async () => {
  uri = await testMongo();
  client = await MongoClient.connect(uri);
  db = client.db(`cli_${randomBytes(4).toString('hex')}`);
  const numbers = Array.from({ length: DOCUMENTS }, (_, n) => ({ n }));
  // On a server without any writes its time stands still, and a new collection can only be read at a later one.
  // The last one may meet the drop of its database.
  writes = setInterval(
    () =>
      void db
        .collection('elsewhere')
        .insertOne({})
        .catch(() => {}),
    100,
  );
  await Promise.all(['a', 'b'].map((name) => db.collection(name).insertMany(numbers.map((one) => ({ ...one })))));
});

after(async () => {
  clearInterval(writes);
  await db.dropDatabase();
  await client.close();
});

/** A pipeline `orders` over the two collections. */
async function configIn(directory: TempDir, snapshot: unknown): Promise<string> {
  const mongodb = { uri: '${env:CLI_MONGO}', include: [`${db.databaseName}.{a,b}`], maxAwaitTime: '50ms', snapshot };
  const orders = {
    source: { mongodb },
    sink: { file: { path: './out.ndjson' } },
    checkpoint: { interval: '10ms', file: { path: './checkpoints' } },
  };
  return writeConfig(directory.path, { version: 1, http: { listen: '127.0.0.1:0' }, pipelines: { orders } });
}

interface Line {
  readonly operationType: string;
  readonly ns: { readonly coll: string };
  readonly fullDocument: { readonly n: number };
}

async function linesIn(directory: TempDir): Promise<readonly Line[]> {
  const text = await readFile(join(directory.path, 'out.ndjson'), 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]));
}

const env = () => ({ env: { CLI_MONGO: uri } });

test('snapshot: only copies everything that matches, ends with code 0 and says what it copied', LIMIT, async () => {
  await using directory = await tempDir('cli');
  const file = await configIn(directory, { mode: 'only', match: { [`${db.databaseName}.b`]: { n: { $lt: 10 } } } });
  const { code, stderr, stdout } = await runSluice(['run', '-c', file, '--json'], env());
  assert.equal(code, 0, stderr);
  assert.match(stderr, /orders stopped, 510 delivered, 0 dead letters, 510 rows copied of 2 collections/);
  assert.match(stderr, /"msg":"snapshot started"/);
  assert.match(stderr, new RegExp(`"namespace":"${db.databaseName}\\.a","rows":500,"msg":"collection copied"`));
  assert.match(stderr, /"rows":510,.*"msg":"snapshot completed"/);
  const { result } = JSON.parse(stdout) as { result: { pipelines: { snapshot: { state: string; rows: number } }[] } };
  assert.deepEqual([result.pipelines[0]?.snapshot.state, result.pipelines[0]?.snapshot.rows], ['completed', 510]);
  const lines = await linesIn(directory);
  assert.ok(lines.every(({ operationType }) => operationType === 'snapshot'));
  assert.equal(lines.filter(({ ns }) => ns.coll === 'b').length, 10);
});

test('a running pipeline copies on demand, and shows it; pause, resume and cancel hold', LIMIT, async () => {
  await using directory = await tempDir('cli');
  // So slowly that it is not done before it is told to pause.
  const file = await configIn(directory, { mode: 'never', maxRowsPerSecond: 4 });
  await using child = new SluiceProcess(['run', '-c', file], env());
  const listening = /"url":"([^"]+)"/;
  await waitFor(() => listening.test(child.stderr), { timeoutMs: 60_000, message: 'the endpoint is up' });
  const url = listening.exec(child.stderr)?.[1] ?? '';
  await waitForStatus(url, ({ acknowledged }) => acknowledged !== undefined, { pipeline: 'orders', process: child });
  const snapshot = (...args: string[]) => runSluice(['snapshot', 'orders', '--url', url, ...args], env());

  const some = await snapshot('--collections', `${db.databaseName}.b`, '--filter', '{"n": {"$lt": 5}}');
  assert.equal(some.code, 0, some.stderr);
  assert.match(some.stdout, /^orders: snapshot on demand completed .* 5 rows copied of 1 collection\n$/);
  assert.equal((await linesIn(directory)).length, 5);

  const started = await snapshot('--no-wait');
  assert.equal(started.code, 0, started.stderr);
  const again = await snapshot();
  assert.deepEqual([again.code, /snapshot\.running/.test(again.stderr)], [2, true], again.stderr);
  assert.match((await snapshot('--pause')).stdout, /^snapshot on demand paused/);
  const status = await runSluice(['status', '--url', url], env());
  assert.match(status.stdout, /\norders: snapshot on demand paused .* of about 1,000 rows .* of 2 collections/);
  assert.match((await snapshot('--resume')).stdout, /^snapshot on demand (copying|waiting)/);
  assert.match((await snapshot('--cancel')).stdout, /snapshot on demand cancelled/);
  const none = await snapshot('--pause');
  assert.deepEqual([none.code, /there is no snapshot to pause/.test(none.stderr)], [2, true], none.stderr);
  const wrong = await snapshot('--collections', 'nope.*');
  assert.deepEqual([wrong.code, /no collection to copy/.test(wrong.stderr)], [2, true], wrong.stderr);
  assert.match(child.stderr, /"action":"cancel","from":"127\.0\.0\.1","msg":"snapshot command carried out"/);
  assert.equal((await child.end('SIGTERM')).code, 0, child.stderr);
});
