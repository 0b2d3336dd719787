import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverMatch } from './server-match.ts';
import type { TransformSetting } from './settings.ts';

const match = (body: unknown, namespaces?: readonly string[]): TransformSetting => ({
  action: { kind: 'stage', stage: '$match', body },
  namespaces,
});
const unset: TransformSetting = {
  action: { kind: 'stage', stage: '$unset', body: ['after.a'] },
  namespaces: undefined,
};
const wrapped = (...queries: readonly object[]) => ({
  $or: [{ operationType: { $nin: ['insert', 'update', 'replace', 'delete'] } }, { $and: queries }],
});

test('paths of the view become those of the event', () => {
  const written = {
    op: { $ne: 'delete' },
    'after.status': { $in: ['paid', null] },
    'before.n': 5,
    'key._id': { $oid: '0123456789abcdef01234567' },
    $or: [{ 'ns.coll': 'a' }, { 'after.at': { $gte: { $date: '2026-01-31T00:00:00Z' } } }],
  };
  assert.deepEqual(
    serverMatch([match(written)]),
    wrapped({
      operationType: { $ne: 'delete' },
      'fullDocument.status': { $in: ['paid', null] },
      'fullDocumentBeforeChange.n': 5,
      'documentKey._id': { $oid: '0123456789abcdef01234567' },
      $or: [{ 'ns.coll': 'a' }, { 'fullDocument.at': { $gte: { $date: '2026-01-31T00:00:00Z' } } }],
    }),
  );
});

test('only the stages in front count, up to the first that the server cannot do alike', () => {
  const first = match({ 'after.a': 1 });
  assert.deepEqual(
    serverMatch([first, match({ 'after.b': 2 })]),
    wrapped({ 'fullDocument.a': 1 }, { 'fullDocument.b': 2 }),
  );
  assert.deepEqual(serverMatch([first, unset, match({ 'after.b': 2 })]), wrapped({ 'fullDocument.a': 1 }));
  assert.equal(serverMatch([unset, first]), undefined);
  assert.equal(serverMatch([match({ 'after.a': 1 }, ['shop.*'])]), undefined);
  assert.equal(serverMatch([]), undefined);
});

const UNEQUAL: readonly unknown[] = [
  { after: { $exists: true } },
  { 'update.updatedFields.a': 1 },
  { ts: 5 },
  { $expr: { $gt: ['$after.a', 1] } },
  { 'after.a': { $regex: 'x' } },
  { 'after.a': { $in: [{ $regularExpression: { pattern: 'x', options: '' } }] } },
  { 'after.a': { b: 1 } },
  { 'after.a': [1, 2] },
  { 'after.a': { $elemMatch: { b: 1 } } },
  { $or: [{ 'after.a': 1 }, { 'update.x': 1 }] },
];

for (const query of UNEQUAL) {
  test(`stays in the worker: ${JSON.stringify(query)}`, () => {
    assert.equal(serverMatch([match(query)]), undefined);
  });
}
