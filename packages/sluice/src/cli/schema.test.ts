import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openFileSchemaStore } from '../connectors/file/index.ts';
import { silentLogger } from '../core/logger.ts';
import { startHttp } from '../ops/http.ts';
import { createMetrics } from '../ops/metrics.ts';
import { PipelineSchema } from '../schema/pipeline-schema.ts';
import type { SchemaSettings } from '../schema/settings.ts';
import { testEvent } from '../testing/events.ts';
import { runSluice, writeConfig } from '../testing/sluice-process.ts';
import { testSnapshot, testStatus } from '../testing/statuses.ts';
import { type TempDir, tempDir } from '../testing/temp-dir.ts';
import { schemaControl } from './pipeline-schema.ts';

/*
 * `sluice schema` as a process of its own, against a real endpoint and what is kept in a directory.
 */

const LIMIT = { timeout: 300_000 };
const NOBODY = '127.0.0.1:1';
const signal = new AbortController().signal;

/** A pipeline `orders` that has seen a few documents, with a change, and keeps that in a directory. */
async function learned(t: TestContext, onChange: SchemaSettings['onChange']) {
  const directory = await tempDir('schema');
  t.after(() => directory[Symbol.asyncDispose]());
  const context = { pipeline: 'orders', partition: 'orders/0', logger: silentLogger, signal };
  const schema = new PipelineSchema({
    pipeline: 'orders',
    settings: { onChange, learnDocuments: 2, collapseAbove: 100 },
    openStore: () => openFileSchemaStore({ path: join(directory.path, 'state') }, context),
    storeName: 'file state',
    logger: silentLogger,
  });
  const step = await schema.openStep(signal);
  const documents = [{ name: 'Ann' }, { name: null }, { name: 'Bob', sex: 'canary' }];
  const events = documents.map((document, sequence) => testEvent({ sequence, document }));
  await step.apply(
    events.map((event) => ({ event, namespace: event.namespace })),
    signal,
  );
  return { directory, schema, step };
}

function configOf({ path }: TempDir, listen: string, schema?: object | string) {
  const source = { mongodb: { uri: 'mongodb://127.0.0.1:1/?replicaSet=rs0' } };
  const checkpoint = { file: { path: './state' } };
  const orders = { source, sink: { stdout: {} }, checkpoint, ...(schema === undefined ? {} : { schema }) };
  return writeConfig(path, { version: 1, http: { listen }, pipelines: { orders } });
}

async function listening(t: TestContext, schema: PipelineSchema): Promise<string> {
  const http = await startHttp({
    host: '127.0.0.1',
    port: 0,
    pipelines: () => [testStatus()],
    control: async () => testSnapshot(),
    schemas: schemaControl(new Map([['orders', schema]])),
    metrics: createMetrics({ version: '1.2.3', processMetrics: false }),
    logger: silentLogger,
  });
  t.after(() => http[Symbol.asyncDispose]());
  return http.url;
}

const options = { env: { SLUICE_CONFIG: '', SLUICE_TOKEN: '' } };

test(
  'the process that runs is asked: fields with types, how often and since when, and what changed',
  LIMIT,
  async (t) => {
    const { schema, step } = await learned(t, 'warn');
    const url = await listening(t, schema);
    const { code, stdout, stderr } = await runSluice(['schema', 'orders', '--url', url], options);
    assert.deepEqual([code, stderr], [0, '']);
    const lines = stdout.split('\n');
    assert.equal(lines[0], 'orders: on a change warn; kept in file state');
    assert.match(stdout, /^test\.items +3 +4 +2023-11-14 22:13:20Z +\S+ \S+ +learned$/m);
    assert.match(stdout, /^test\.items +name +string, null +100 % +2023-11-14 22:13:20Z$/m);
    assert.match(stdout, /^test\.items +sex +string +33\.3 % +2023-11-14 22:13:20Z$/m);
    assert.match(stdout, /^2023-11-14 22:13:20Z +field-added +test\.items +sex +string +0+2$/m);
    assert.doesNotMatch(stdout, /canary/);
    const json = await runSluice(['schema', 'orders', '--url', url, '--json'], options);
    const { ok, result } = JSON.parse(json.stdout) as { ok: boolean; result: unknown };
    assert.deepEqual([ok, result], [true, JSON.parse(JSON.stringify(schema.view()))]);
    const all = await runSluice(['schema', 'orders', '--url', url, '--json-schema'], options);
    const properties = { _id: { bsonType: 'int' }, n: { bsonType: 'int' }, name: { bsonType: ['string', 'null'] } };
    const expected = {
      bsonType: 'object',
      required: ['_id', 'n', 'name'],
      properties: { ...properties, sex: { bsonType: 'string' } },
    };
    assert.deepEqual(JSON.parse(all.stdout), { 'test.items': expected });
    const args = [
      'schema',
      'orders',
      '--url',
      url,
      '--json-schema',
      '--collection',
      'test.items',
      '--dialect',
      '2020-12',
    ];
    const one = JSON.parse((await runSluice(args, options)).stdout) as Record<string, unknown>;
    assert.deepEqual([one['title'], one['type']], ['test.items', 'object']);
    await step[Symbol.asyncDispose]();
  },
);

test('where nobody answers what is kept is shown, and changes are accepted there', LIMIT, async (t) => {
  const { directory, step } = await learned(t, 'dead-letter');
  await step[Symbol.asyncDispose]();
  const file = await configOf(directory, NOBODY, { onChange: 'dead-letter', learnDocuments: 2 });
  const run = (...args: string[]) => runSluice(['schema', 'orders', '-c', file, ...args], options);
  const refused = await run();
  assert.deepEqual([refused.code, refused.stderr], [0, '']);
  assert.match(refused.stdout, /^test\.items +sex +string \(refused\) /m);
  const accepted = await run('--accept');
  assert.equal(accepted.stdout, 'accepted in one collection; such documents pass from now on\n');
  assert.match((await run('--accept')).stdout, /^nothing waits to be accepted/);
  assert.match((await run()).stdout, /^test\.items +sex +string +33\.3 %/m);
});

test('the process that runs accepts', LIMIT, async (t) => {
  const { schema, step } = await learned(t, 'dead-letter');
  const url = await listening(t, schema);
  const { code, stdout } = await runSluice(['schema', 'orders', '--accept', '--json', '--url', url], options);
  assert.deepEqual([code, JSON.parse(stdout).result], [0, { pipeline: 'orders', accepted: 1 }]);
  assert.doesNotMatch(JSON.stringify(schema.view()), /"pending":true/);
  await step[Symbol.asyncDispose]();
});

test('what cannot be shown is told with what to do', LIMIT, async (t) => {
  const { directory, schema, step } = await learned(t, 'warn');
  await step[Symbol.asyncDispose]();
  const url = await listening(t, schema);
  const file = await configOf(directory, NOBODY);
  const run = (...args: string[]) => runSluice(['schema', ...args], options);
  const cases: readonly (readonly [args: string[], code: number, expected: RegExp])[] = [
    [['ordres', '-c', file], 2, /no pipeline "ordres".*\nhint: did you mean "orders"/],
    [['ordres', '--url', url], 2, /no pipeline "ordres" runs here/],
    [['orders', '--url', `http://${NOBODY}`], 3, /nobody answers at/],
    [
      ['orders', '--url', url, '--collection', 'test.item'],
      2,
      /nothing of .*"test\.item".*\nhint: did you mean "test\.items"/,
    ],
    [['orders', '--accept', '--json-schema'], 2, /cannot be used with/],
  ];
  for (const [args, code, expected] of cases) {
    const result = await run(...args);
    assert.equal(result.code, code, args.join(' '));
    assert.match(result.stderr, expected);
  }
  const off = await run('orders', '-c', await configOf(directory, NOBODY, 'off'));
  assert.match(off.stderr, /learns no schema.*\nhint: remove "schema: off"/);
});

test('what is kept in memory only is told as such', LIMIT, async (t) => {
  const directory = await tempDir('schema');
  t.after(() => directory[Symbol.asyncDispose]());
  const source = { mongodb: { uri: 'mongodb://127.0.0.1:1/?replicaSet=rs0' } };
  const sink = { kafka: { brokers: ['127.0.0.1:1'], topic: 't', delivery: 'exactly-once' } };
  const config = { version: 1, http: { listen: NOBODY }, pipelines: { orders: { source, sink } } };
  const file = await writeConfig(directory.path, config);
  const { code, stderr } = await runSluice(['schema', 'orders', '-c', file], options);
  assert.equal(code, 3);
  assert.match(stderr, /nobody answers at .*kept in memory only.*\nhint: .*schema: \{ mongodb: \{\} \}/);
});
