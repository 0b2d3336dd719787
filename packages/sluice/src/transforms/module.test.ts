import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { deserialize } from 'bson';
import * as b from '../bson/test-support/bson-bytes.ts';
import { randomDocument } from '../bson/test-support/random-bson.ts';
import { SluiceError } from '../core/failure.ts';
import { testRandom } from '../testing/random.ts';
import { tempDir } from '../testing/temp-dir.ts';
import { type EventParts, envelopeOf, shown, transformAll } from './transforms-fixture.ts';

async function run(source: string, parts: EventParts, exportName = 'default') {
  await using directory = await tempDir();
  const path = join(directory.path, 'transform.ts');
  await writeFile(path, source);
  const item = { action: { kind: 'module', path, exportName }, namespaces: undefined };
  const envelope = envelopeOf(parts);
  const [result] = await transformAll([item], [envelope]);
  return { result, envelope };
}

async function runOne(source: string, parts: EventParts) {
  const { result } = await run(source, parts);
  if (result === undefined || result instanceof SluiceError) throw result ?? new Error('dropped');
  return result.event;
}

const MARK = 'export default (event) => { event.after.extra = 1; return event; };';

test('a function changes the documents of an event; the update that no longer fits is left out', async () => {
  const event = await runOne(MARK, { op: 'update', after: { _id: 1, n: 1 }, update: { updatedFields: { n: 1 } } });
  assert.deepEqual(shown(event.after()), { _id: 1, n: 1, extra: 1 });
  assert.equal(event.update(), undefined);
});

test('what a function does not touch keeps its bytes, types and order', async (t) => {
  const random = testRandom(t);
  for (let round = 0; round < 60; round++) {
    const inner = randomDocument(random, { libraryTypes: true });
    const fields: readonly b.Field[] = [
      ['_id', b.int32(1)],
      ['7', b.double(1)],
      ['x', { type: 3, payload: inner }],
    ];
    const event = await runOne(MARK, { after: b.document(...fields) });
    assert.deepEqual(Buffer.from(event.after() ?? []), b.document(...fields, ['extra', b.int32(1)]));
  }
});

test('a number keeps the type of the double that it replaces, and int64 is a bigint', async () => {
  const after = b.document(['_id', b.int32(1)], ['d', b.double(1)], ['l', b.int64(2n ** 53n + 1n)]);
  const event = await runOne('export default (e) => { e.after.d += 1; e.after.l += 1n; return e; };', { after });
  const expected = b.document(['_id', b.int32(1)], ['d', b.double(2)], ['l', b.int64(2n ** 53n + 2n)]);
  assert.deepEqual(Buffer.from(event.after() ?? []), expected);
});

test('null drops the event, and an event that comes back as it was is the same', async () => {
  assert.equal((await run('export default () => null;', { after: { _id: 1 } })).result, undefined);
  const { result, envelope } = await run('export default async (event) => ({ ...event });', { after: { _id: 1 } });
  assert.equal(result, envelope);
});

const refused: readonly (readonly [string, string, RegExp])[] = [
  [
    'an error',
    'export default () => { throw new Error("no such country"); };',
    /^transform 1 \(module\): no such country$/,
  ],
  ['a rejected promise', 'export default async () => { throw new Error("late"); };', /late/],
  ['nothing', 'export default () => {};', /it returns undefined: return the event, or null to drop it/],
  ['another key', 'export default (e) => ({ ...e, key: { _id: 2 } });', /it changes "key"/],
  ['another namespace', 'export default (e) => ({ ...e, ns: { db: "a", coll: "b" } });', /it changes "ns"/],
  ['another _id', 'export default (e) => ({ ...e, after: { _id: 2 } });', /another _id/],
  [
    'an image that was not there',
    'export default (e) => ({ ...e, before: {} });',
    /gives "before" to an event that has none/,
  ],
  ['a list for a document', 'export default (e) => ({ ...e, after: [1] });', /no document in "after"/],
  ['what BSON cannot hold', 'export default (e) => { e.after.n = 2n ** 70n; return e; };', /has no form in BSON/],
];

for (const [what, source, message] of refused) {
  test(`a function that gives ${what} rejects the event`, async () => {
    const { result } = await run(source, { after: { _id: 1 } });
    assert.ok(result instanceof SluiceError);
    assert.equal(result.code, 'transform.failed');
    assert.equal(result.kind, 'rejected');
    assert.match(result.message, message);
  });
}

test('a named export is used; a missing one and a broken file are mistakes of the configuration', async () => {
  const { result } = await run('export const shape = () => null;', { after: { _id: 1 } }, 'shape');
  assert.equal(result, undefined);
  const code = { kind: 'config', code: 'transform.module' };
  await assert.rejects(run('export const shape = 1;', { after: { _id: 1 } }), {
    ...code,
    hint: /export default function/,
  });
  await assert.rejects(run('export default (', { after: { _id: 1 } }), code);
});

test('a function gets plain values, the pipeline and a signal', async () => {
  const source = `export default (event, context) => {
    if (!(event.time instanceof Date) || context.pipeline !== 'orders' || !(context.signal instanceof AbortSignal)) throw new Error('wrong');
    return { after: { ...event.after, op: event.op, ns: event.ns } };
  };`;
  const event = await runOne(source, { after: { _id: 1 } });
  assert.deepEqual(deserialize(event.after() ?? b.document()), {
    _id: 1,
    op: 'insert',
    ns: { db: 'shop', coll: 'users' },
  });
});
