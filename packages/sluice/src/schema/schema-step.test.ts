import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'mongodb';
import { SluiceError } from '../core/failure.ts';
import { testEvent } from '../testing/events.ts';
import { inserts, pass, signal, typesIn, watchedSchema } from './schema-fixture.ts';

const ann = { _id: 1, name: 'Ann', tags: ['a'], address: { city: 'Utrecht' } };
const known = [ann, ann, ann];

test('fields and types are learned with how often and since when they were seen', async () => {
  const { schema, view, changes } = watchedSchema();
  await using step = await schema.openStep(signal);
  const lines = [
    { sku: 'x', n: 1 },
    { sku: 'y', n: new BSON.Long(1) },
  ];
  await pass(step, ...inserts(ann, ann, { _id: 2, name: null, lines }), { op: 'delete' }, { op: 'drop' });
  const [users, other] = view().collections;
  assert.equal(other, undefined);
  assert.deepEqual([users?.collection, users?.documents, users?.learning], ['test.users', 3, false]);
  assert.deepEqual(typesIn(view()), {
    _id: 'int',
    address: 'object',
    'address.city': 'string',
    lines: 'array',
    'lines[]': 'object',
    'lines[].n': 'int,long',
    'lines[].sku': 'string',
    name: 'string,null',
    tags: 'array',
    'tags[]': 'string',
  });
  const name = users?.fields.find(({ path }) => path === 'name');
  assert.deepEqual([name?.seen, name?.types.map(({ seen }) => seen)], [3, [2, 1]]);
  assert.equal(users?.fields.find(({ path }) => path === 'lines[].sku')?.seen, 1);
  const [text, empty] = name?.types ?? [];
  assert.equal((empty?.sinceMs ?? 0) - (text?.sinceMs ?? 0), 2_000);
  assert.equal((text?.lastMs ?? 0) - (text?.sinceMs ?? 0), 1_000);
  assert.deepEqual(changes, []);
});

test('after the first documents a new field or type is a change, told once without values', async () => {
  const { schema, view, changes, log } = watchedSchema();
  await using step = await schema.openStep(signal);
  await pass(step, ...inserts(...known));
  const sex = { ...ann, sex: 'canary' };
  assert.deepEqual(await pass(step, ...inserts(sex, sex, ann)), [undefined, undefined, undefined]);
  await pass(step, ...inserts({ ...ann, name: 7 }, { ...ann, name: 7, sex: 'f' }));
  const told = changes.map(({ kind, collection, path, types, known: before }) => [
    kind,
    collection,
    path,
    types,
    before,
  ]);
  assert.deepEqual(told, [
    ['field-added', 'test.users', 'sex', ['string'], []],
    ['type-added', 'test.users', 'name', ['int'], ['string']],
  ]);
  assert.deepEqual(view().changes, changes.toReversed());
  const [[level, message, fields]] = log as [(typeof log)[0]];
  assert.deepEqual([level, message], ['warn', 'the field sex in test.users is new: string']);
  assert.deepEqual([fields['event'], fields['code']], [changes[0]?.event, 'schema.drift']);
  assert.equal(log[1]?.[1], 'the field name in test.users has a new type: int beside string');
  assert.doesNotMatch(JSON.stringify([log, changes]), /canary/);
});

test('with allow nothing is logged; rows of a snapshot teach at any time; a field with fields in it is one change', async () => {
  const { schema, changes, log } = watchedSchema({ onChange: 'allow' });
  await using step = await schema.openStep(signal);
  await pass(step, ...inserts(...known), { op: 'snapshot', document: { ...ann, copied: 1 } });
  await pass(step, ...inserts({ ...ann, copied: 2 }));
  assert.deepEqual(changes, []);
  await pass(step, ...inserts({ ...ann, work: { company: { name: 'x' } }, list: [{ a: 1 }], tags: [{ deep: 1 }] }));
  assert.deepEqual(
    changes.map(({ path }) => path),
    ['tags[]', 'work', 'list'],
  );
  assert.deepEqual(log, []);
});

test('a collection that comes later is told; its documents teach', async () => {
  const { schema, changes, log } = watchedSchema({ onChange: 'stop' });
  await using step = await schema.openStep(signal);
  const other = (document: object) => ({ coll: 'orders', document });
  await pass(step, { coll: 'copied', op: 'snapshot', document: ann }, { coll: 'early', document: ann });
  await pass(step, ...inserts(...known), { coll: 'rows', op: 'snapshot', document: ann });
  assert.deepEqual(changes, [], 'nothing was learned before, and rows of a snapshot only teach');
  await pass(step, other({ _id: 1 }), other({ _id: 2, x: 1 }), ...inserts(ann), other({ _id: 3 }));
  assert.deepEqual(
    changes.map(({ kind, collection }) => [kind, collection]),
    [['collection-added', 'test.orders']],
  );
  assert.equal(log[0]?.[1], 'the collection test.orders is new');
});

test('updates without their document teach paths, and count for nothing', async () => {
  const { schema, view, changes } = watchedSchema();
  await using step = await schema.openStep(signal);
  const update = (updated: object) => ({ op: 'update', updated }) as const;
  await pass(step, update({ 'early.x': 1 }), update({ 'scores.0': 1 }));
  await pass(step, ...inserts(...known), update({}));
  assert.deepEqual(typesIn(view())['scores[]'], 'int');
  await pass(step, update({ 'tags.3': 'b', 'address.city': 'X' }), update({ 'tags.7': 'c' }));
  assert.deepEqual(changes, []);
  await pass(
    step,
    update({ 'address.street': { name: 'x' }, 'tags.3': 7 }),
    update({ 'address.street': { name: 'y' } }),
  );
  assert.deepEqual(
    changes.map(({ kind, path, types }) => [kind, path, types]),
    [
      ['field-added', 'address.street', ['object']],
      ['type-added', 'tags[]', ['int']],
    ],
  );
  const [users] = view().collections;
  assert.equal(users?.documents, 3);
  assert.equal(users?.fields.find(({ path }) => path === 'address.street.name')?.seen, 0);
  await pass(step, { op: 'update', document: { ...ann, whole: 1 }, updated: { ignored: 1 } });
  assert.deepEqual([view().changes[0]?.path, typesIn(view())['ignored']], ['whole', undefined]);
});

test('a number in the path of an update is an index where there is an array, else a name', async () => {
  const { schema, view } = watchedSchema({ learnDocuments: 100 });
  await using step = await schema.openStep(signal);
  await pass(step, ...inserts({ list: [1], both: [1], map: { x: 1 } }, { both: { x: 1 } }));
  await pass(step, { op: 'update', updated: { 'list.0': 'a', 'both.0': 'b', 'map.0': 'c', 'unknown.0': 'd', 0: 'e' } });
  const types = typesIn(view());
  const paths = ['list[]', 'both[]', 'map.*', 'unknown[]', '*'];
  assert.deepEqual(
    paths.map((path) => types[path]),
    ['string,int', 'string,int', 'string', 'string', 'string'],
  );
});

test('with dead-letter a document with a change is refused until that is accepted', async () => {
  const { schema, view, changes, log } = watchedSchema({ onChange: 'dead-letter' });
  await using step = await schema.openStep(signal);
  await pass(step, ...inserts(...known));
  const sex = { ...ann, sex: 'f' };
  const results = await pass(step, ...inserts(sex, ann, { ...sex, name: 1 }, sex));
  assert.deepEqual(
    results.map((error) => (error as SluiceError | undefined)?.code),
    ['schema.drift', undefined, 'schema.drift', 'schema.drift'],
  );
  const [error] = results as [SluiceError];
  assert.deepEqual(
    [error.kind, error.message],
    ['rejected', 'the schema has changed: the field sex in test.users is new: string'],
  );
  assert.match(error.hint ?? '', /sluice schema orders --accept.*sluice dlq replay -p orders --all/);
  assert.deepEqual(
    changes.map(({ path }) => path),
    ['sex', 'name'],
    'each is told once',
  );
  assert.equal(log.length, 2);
  assert.deepEqual([typesIn(view())['sex'], typesIn(view())['name']], ['string?', 'string,int?']);
  assert.equal(await schema.accept(signal), 1);
  assert.equal(await schema.accept(signal), 0);
  assert.deepEqual(await pass(step, ...inserts(sex, { ...sex, name: 1 })), [undefined, undefined]);
  assert.notEqual((await pass(step, ...inserts({ ...sex, age: 1 })))[0], undefined, 'the next change is another one');
});

test('a row of a snapshot is never refused, and teaches what others were refused for', async () => {
  const { schema } = watchedSchema({ onChange: 'dead-letter' });
  await using step = await schema.openStep(signal);
  await pass(step, ...inserts(...known));
  const sex = { ...ann, sex: 'f' };
  const [before, row, after] = await pass(step, ...inserts(sex), { op: 'snapshot', document: sex }, ...inserts(sex));
  assert.ok(before !== undefined);
  assert.deepEqual([row, after], [undefined, undefined]);
});

test('with stop the pipeline ends with an error that says how to accept', async () => {
  const { schema } = watchedSchema({ onChange: 'stop' });
  await using step = await schema.openStep(signal);
  await pass(step, ...inserts(...known));
  const many = { ...ann, a: 1, b: 1, c: 1, d: 1 };
  const expected = { kind: 'config', code: 'schema.drift', message: /field a .*field b .*field c .*and 1 more$/ };
  for (let attempt = 0; attempt < 2; attempt++) {
    await assert.rejects(pass(step, ...inserts(many)), { ...expected, hint: /sluice schema orders --accept/ });
  }
  await schema.accept(signal);
  assert.deepEqual(await pass(step, ...inserts(many)), [undefined]);
});

test('what cannot be read is left to those behind', async () => {
  const { schema, view } = watchedSchema();
  await using step = await schema.openStep(signal);
  const event = testEvent({ document: ann });
  const enveloped = (after: () => Uint8Array) => ({ event: { ...event, after }, namespace: event.namespace });
  const unreadable = () => {
    throw new SluiceError('no', { kind: 'rejected', code: 'change-event.incomplete' });
  };
  const batch = [enveloped(() => Buffer.from([9, 0, 0, 0, 0x77])), enveloped(unreadable)];
  assert.equal(await step.apply(batch, signal), batch);
  assert.deepEqual(view().collections, []);
  assert.throws(() => step.apply([enveloped(() => assert.fail('a bug'))], signal), /a bug/);
});
