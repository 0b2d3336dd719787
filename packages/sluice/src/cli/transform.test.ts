import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runSluice, writeConfig } from '../testing/sluice-process.ts';
import { tempDir } from '../testing/temp-dir.ts';

const TRANSFORMS = [
  { $match: { 'after.status': { $ne: 'draft' } } },
  { $set: { 'after.total': { $multiply: ['$after.price', 2] } } },
  { rename: { ns: { 'shop.*': 'store.*' } } },
];

function line(fields: string): string {
  const token = '826564B2C9000000012B0229296E04';
  return (
    `{"_id":{"_data":"${token}"},"operationType":"insert","clusterTime":{"$timestamp":{"t":1700000000,"i":1}},` +
    `"ns":{"db":"shop","coll":"orders"},"documentKey":{"_id":1},"fullDocument":{"_id":1,${fields}}}`
  );
}

const GOOD = line('"price":1.0,"n":9007199254740993');
const DRAFT = line('"status":"draft"');
const BAD = line('"price":"much"');

async function run(input: string, options: readonly string[] = []) {
  await using directory = await tempDir();
  const pipeline = {
    source: { mongodb: { uri: 'mongodb://localhost' } },
    sink: { stdout: {} },
    transforms: TRANSFORMS,
  };
  const config = await writeConfig(directory.path, { version: 1, pipelines: { orders: pipeline } });
  const file = join(directory.path, 'events.jsonl');
  await writeFile(file, input);
  return await runSluice(['transform', 'test', file, '-c', config, ...options]);
}

test('transform test shows what becomes of each captured event, and exits with 4 when one is rejected', async () => {
  const { code, stdout, stderr } = await run(`${GOOD}\n\n${DRAFT}\n${BAD}\n`);
  assert.equal(stderr, '');
  assert.equal(code, 4);
  assert.match(stdout, /^1: .*insert .*shop\.orders/);
  assert.match(
    stdout,
    /changed as store\.orders\n +after +\{"_id":1,"price":1\.0,"n":9007199254740993,"total":2\.0\}\n3: /,
  );
  assert.match(
    stdout,
    /3: .*\n {2}dropped\n4: .*\n {2}rejected: transform 2 \(\$set\): \$multiply needs numbers, not string/,
  );
  assert.match(stdout, /3 events: 1 go on, 1 dropped, 1 rejected\n$/);
});

test('transform test reads a JSON array too, and as JSON the types survive', async () => {
  const { code, stdout } = await run(`[${GOOD},\n ${DRAFT}]`, ['--json']);
  assert.equal(code, 0);
  const { ok, command, result } = JSON.parse(stdout);
  assert.deepEqual({ ok, command }, { ok: true, command: 'transform test' });
  assert.deepEqual(
    result.events.map(({ outcome, namespace }: { outcome: string; namespace?: string }) => [outcome, namespace]),
    [
      ['changed', 'store.orders'],
      ['dropped', undefined],
    ],
  );
  assert.deepEqual(result.events[0].event.fullDocument.n, { $numberLong: '9007199254740993' });
  assert.deepEqual(result.events[0].event.fullDocument.total, { $numberDouble: '2.0' });
});

test('transform test says which event cannot be read', async () => {
  const { code, stderr } = await run(`${GOOD}\n{"a":`);
  assert.equal(code, 2);
  assert.match(stderr, /event 2 cannot be read: /);
  assert.match(stderr, /as "sluice tail --json" prints them/);
});
