import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inserts, pass, signal, watchedSchema } from './schema-fixture.ts';

const users = { db: 'test', coll: 'users' };

test('a sink sees the fields of a collection with the batch that has them, and a revision that tells news', async () => {
  const { schema } = watchedSchema();
  const fields = schema.fields();
  assert.equal(fields.of(users), undefined);
  await using step = await schema.openStep(signal);
  await pass(step, ...inserts({ name: 'a', at: { city: 'x' } }));
  const first = fields.of(users) ?? assert.fail('nothing is known');
  const shown = first.fields.map(({ path, types }) => `${path}: ${types.join('|')}`);
  assert.deepEqual(shown, ['at: object', 'at.city: string', 'name: string']);
  await pass(step, ...inserts({ name: 'b', at: { city: 'y' } }));
  assert.equal(fields.of(users), first, 'nothing new');
  await pass(step, ...inserts({ name: 7 }));
  const second = fields.of(users) ?? assert.fail('nothing is known');
  assert.notEqual(second.revision, first.revision);
  assert.deepEqual(second.fields.find(({ path }) => path === 'name')?.types, ['string', 'int']);
  assert.equal(fields.of({ db: 'test', coll: 'others' }), undefined);
});

test('names of a map are one field, and what nobody has accepted is left out until then', async () => {
  const { schema } = watchedSchema({ onChange: 'dead-letter', learnDocuments: 1, collapseAbove: 3 });
  const fields = schema.fields();
  await using step = await schema.openStep(signal);
  await pass(step, ...inserts({ counts: { a: 1, b: 1, c: 1, d: 1 } }));
  const learned = fields.of(users);
  assert.deepEqual(learned?.maps, ['counts']);
  assert.deepEqual(
    learned?.fields.map(({ path }) => path),
    ['counts', 'counts.*'],
  );
  await pass(step, ...inserts({ counts: {}, extra: true }));
  assert.equal(
    fields.of(users)?.fields.some(({ path }) => path === 'extra'),
    false,
  );
  await schema.accept(signal);
  assert.equal(
    fields.of(users)?.fields.some(({ path }) => path === 'extra'),
    true,
  );
});
