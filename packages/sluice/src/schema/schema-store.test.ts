import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../core/failure.ts';
import { schemaStoreContract } from '../testing/contracts/schema-store.ts';
import { memorySchemaStore, type SchemaPlace } from '../testing/memory-schemas.ts';
import { inserts, pass, signal, typesIn, watchedSchema } from './schema-fixture.ts';
import { acceptStored, loadSchemas } from './stored-schemas.ts';

/*
 * What is learned over restarts, and by several processes at once.
 */

schemaStoreContract('memory', async () => {
  const place: SchemaPlace = new Map();
  return {
    open: async () => {
      const store = memorySchemaStore(place);
      const checked =
        <T extends unknown[], R>(call: (...parts: T) => Promise<R>) =>
        async (...parts: T): Promise<R> => {
          (parts.at(-1) as AbortSignal).throwIfAborted();
          return call(...parts);
        };
      return { ...store, load: checked(store.load), read: checked(store.read), replace: checked(store.replace) };
    },
  };
});

const ann = { _id: 1, name: 'Ann' };
const known = inserts(ann, ann, ann);

test('a restart knows what was learned: nothing is learned twice, nothing is told twice', async () => {
  const place: SchemaPlace = new Map();
  const open = async () => memorySchemaStore(place);
  const first = watchedSchema({}, open);
  {
    await using step = await first.schema.openStep(signal);
    await pass(step, ...known, ...inserts({ ...ann, sex: 'f' }));
  }
  const second = watchedSchema({}, open);
  await using step = await second.schema.openStep(signal);
  assert.deepEqual(second.view(), first.view());
  await pass(step, ...inserts({ ...ann, sex: 'm' }));
  assert.deepEqual(second.changes, []);
  await pass(step, ...inserts({ ...ann, age: 1 }));
  assert.deepEqual(
    second.changes.map(({ path }) => path),
    ['age'],
  );
  assert.deepEqual(
    second.view().changes.map(({ path }) => path),
    ['age', 'sex'],
  );
});

test('without a store it is known as long as the process lives', async () => {
  const { schema, view, changes } = watchedSchema();
  {
    await using step = await schema.openStep(signal);
    await pass(step, ...known);
  }
  await using step = await schema.openStep(signal);
  await pass(step, ...inserts({ ...ann, sex: 'f' }));
  assert.deepEqual([changes.length, view().store, view().collections[0]?.documents], [1, undefined, 4]);
});

test('what several processes learn is one: counts add up, fields unite, whoever writes last', async () => {
  const place: SchemaPlace = new Map();
  const worker = () => watchedSchema({ onChange: 'allow' }, async () => memorySchemaStore(place));
  const workers = [worker(), worker(), worker()];
  const steps = await Promise.all(workers.map(({ schema }) => schema.openStep(signal)));
  for (let round = 0; round < 3; round++) {
    for (const [index, step] of steps.entries()) {
      await pass(step, ...known, ...inserts({ ...ann, [`of${index}`]: index, [`in${round}`]: true }));
    }
    await Promise.all(workers.map(({ schema }) => schema.accept(signal)));
  }
  await Promise.all(steps.map((step) => step[Symbol.asyncDispose]()));
  const next = worker();
  await using _ = await next.schema.openStep(signal);
  const [users] = next.view().collections;
  assert.deepEqual(Object.keys(typesIn(next.view())), ['_id', 'in0', 'in1', 'in2', 'name', 'of0', 'of1', 'of2']);
  const counts = Object.fromEntries((users?.fields ?? []).map(({ path, seen }) => [path, seen]));
  assert.equal(users?.documents, 36);
  assert.deepEqual(counts, { _id: 36, in0: 3, in1: 3, in2: 3, name: 36, of0: 3, of1: 3, of2: 3 });
  const named = users?.fields.find(({ path }) => path === 'name');
  assert.deepEqual(
    named?.types.map(({ type, seen }) => [type, seen]),
    [['string', 36]],
  );
});

test('what is refused stays so over a restart, and can be accepted while nothing runs', async () => {
  const place: SchemaPlace = new Map();
  const open = async () => memorySchemaStore(place);
  const sex = inserts({ ...ann, sex: 'f' });
  {
    const { schema } = watchedSchema({ onChange: 'stop' }, open);
    await using step = await schema.openStep(signal);
    await pass(step, ...known);
    await assert.rejects(pass(step, ...sex), { code: 'schema.drift' });
    const [stored] = await loadSchemas(memorySchemaStore(place), 'orders', signal);
    assert.equal(stored?.fields.at(-1)?.types[0]?.pending, true, 'it is stored before the pipeline stops');
  }
  const again = watchedSchema({ onChange: 'stop' }, open);
  await using step = await again.schema.openStep(signal);
  await assert.rejects(pass(step, ...sex), { code: 'schema.drift' });
  assert.deepEqual([again.changes, again.log], [[], []]);
  const settings = { onChange: 'stop', learnDocuments: 3, collapseAbove: 10 } as const;
  const update = { store: memorySchemaStore(place), pipeline: 'orders', settings, signal };
  assert.equal((await acceptStored(update)).accepted, 1);
  assert.equal((await acceptStored(update)).accepted, 0);
  const accepted = watchedSchema({ onChange: 'stop' }, open);
  await using next = await accepted.schema.openStep(signal);
  assert.deepEqual(await pass(next, ...sex), [undefined]);
});

test('a policy that refuses nothing accepts what an earlier one has refused', async () => {
  const place: SchemaPlace = new Map();
  const open = async () => memorySchemaStore(place);
  {
    const { schema } = watchedSchema({ onChange: 'dead-letter' }, open);
    await using step = await schema.openStep(signal);
    await pass(step, ...known, ...inserts({ ...ann, sex: 'f' }));
  }
  {
    const { schema } = watchedSchema({ onChange: 'warn' }, open);
    await using _ = await schema.openStep(signal);
  }
  const [stored] = await loadSchemas(memorySchemaStore(place), 'orders', signal);
  assert.equal(stored?.fields.at(-1)?.types[0]?.pending, false);
});

test('a process that does not run the pipeline can accept, and one that runs it takes that over', async () => {
  const place: SchemaPlace = new Map();
  const open = async () => memorySchemaStore(place);
  const runs = watchedSchema({ onChange: 'dead-letter' }, open);
  await using step = await runs.schema.openStep(signal);
  const sex = inserts({ ...ann, sex: 'f' });
  await pass(step, ...known, ...sex);
  assert.equal(
    await watchedSchema({ onChange: 'dead-letter' }, open).schema.accept(signal),
    0,
    'nothing is stored yet',
  );
  await runs.schema.accept(signal);
  await pass(step, ...inserts({ ...ann, age: 1 }));
  {
    const other = watchedSchema({ onChange: 'dead-letter' }, open);
    await using third = await other.schema.openStep(signal);
    await pass(third, ...inserts({ ...ann, city: 'x' }));
  }
  const waits = watchedSchema({ onChange: 'dead-letter' }, open);
  assert.equal(await waits.schema.accept(signal), 1);
  assert.deepEqual([typesIn(waits.view())['city'], typesIn(waits.view())['sex']], ['string', 'string']);
  assert.notEqual((await pass(step, ...inserts({ ...ann, city: 'x' })))[0], undefined);
  assert.equal(await runs.schema.accept(signal), 1, 'what is its own still waits');
  assert.deepEqual(await pass(step, ...inserts({ ...ann, city: 'x' }, { ...ann, age: 1 })), [undefined, undefined]);
});

const down = () => {
  throw new SluiceError('it is down', { kind: 'transient', code: 'test.down' });
};

test('a store that cannot be read is an error only where documents would be refused', async () => {
  const open = async () => memorySchemaStore(new Map(), down);
  const warns = watchedSchema({}, open);
  await using step = await warns.schema.openStep(signal);
  await pass(step, ...known, ...inserts({ ...ann, sex: 'f' }));
  assert.equal(warns.changes.length, 1);
  assert.deepEqual(
    [warns.log[0]?.[1], warns.log[0]?.[2]['code']],
    ['the schema is learned in memory only', 'test.down'],
  );
  for (const onChange of ['dead-letter', 'stop'] as const) {
    await assert.rejects(watchedSchema({ onChange }, open).schema.openStep(signal), { code: 'test.down' });
  }
});

test('a save that fails loses no counts, and is told once', async () => {
  const place: SchemaPlace = new Map();
  let isDown = true;
  const open = async () => memorySchemaStore(place, (call) => (call === 'replace' && isDown ? down() : undefined));
  const { schema, log } = watchedSchema({}, open);
  {
    await using step = await schema.openStep(signal);
    await pass(step, ...known);
    await assert.rejects(schema.accept(signal), { code: 'test.down' });
    await pass(step, ...known);
  }
  assert.deepEqual(
    log.map(([, message]) => message),
    ['what was learned of the schema is not saved'],
  );
  isDown = false;
  {
    await using step = await schema.openStep(signal);
    await pass(step, ...known);
  }
  const [stored] = await loadSchemas(memorySchemaStore(place), 'orders', signal);
  assert.deepEqual([stored?.documents, stored?.fields.map(({ seen }) => seen)], [9, [9, 9]]);
});

test('what is stored and damaged is refused with the way out', async () => {
  const place: SchemaPlace = new Map();
  const store = memorySchemaStore(place);
  for (const text of ['', '{}', '{"version":2}', 'null', '[]']) {
    place.set('orders\u0000a.b', { collection: 'a.b', revision: 1, text });
    await assert.rejects(loadSchemas(store, 'orders', signal), { kind: 'config', code: 'schema.damaged' });
  }
});
