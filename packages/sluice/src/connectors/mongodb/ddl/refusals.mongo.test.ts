import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Document } from 'mongodb';
import { testMongo } from '../../../testing/servers/mongo.ts';
import { applyTo, DdlFixture, madeEvent, structureOf } from './ddl-fixture.ts';

/*
 * What a target does not accept: it is explained without a value of a document, nothing of the target is lost, and the
 * pipeline goes on or stops as it is set.
 */

const LIMIT = { timeout: 300_000 };

interface RefusedCase {
  readonly what: string;
  readonly prepare: (target: DdlFixture['target']) => Promise<unknown>;
  readonly event: Document;
  readonly says: RegExp;
}

const indexes = (...list: readonly Document[]) => ({
  operationType: 'createIndexes',
  operationDescription: { indexes: list },
});

const CASES: readonly RefusedCase[] = [
  {
    what: 'a unique index over duplicates',
    prepare: (target) => target.collection('items').insertMany([{ e: 'secret-value' }, { e: 'secret-value' }]),
    event: indexes({ v: 2, key: { e: 1 }, name: 'e', unique: true }),
    says: /cannot make the index e of .*documents of the target have the same values .*DuplicateKey/,
  },
  {
    what: 'an index whose name is taken',
    prepare: (target) => target.collection('items').createIndex({ a: 1 }, { name: 'n' }),
    event: indexes({ v: 2, key: { b: 1 }, name: 'n' }),
    says: /has another index of that name or of those fields .*existing index: \{ v: 2, key: \{ a: 1 \}/,
  },
  {
    what: 'an index that the version does not know',
    prepare: (target) => target.createCollection('items'),
    event: indexes({ v: 2, key: { b: 1 }, name: 'n', novelty: 1 }),
    says: /this version of the server does not know it.*novelty/,
  },
  {
    what: 'documents that a geographical index does not take',
    prepare: (target) => target.collection('items').insertOne({ place: 'secret-value' }),
    event: indexes({ v: 2, key: { place: '2dsphere' }, name: 'p', '2dsphereIndexVersion': 3 }),
    says: /the target refuses it \(/,
  },
  {
    what: 'an option that the version does not know',
    prepare: async () => {},
    event: { operationType: 'create', operationDescription: { novelty: true } },
    says: /cannot create .*\.items: this version of the server does not know it/,
  },
  {
    what: 'indexes of what is a view there',
    prepare: (target) => target.createCollection('items', { viewOn: 'other', pipeline: [] }),
    event: indexes({ v: 2, key: { b: 1 }, name: 'n' }),
    says: /the target has a view of that name/,
  },
  {
    what: 'a rename to a name that something else has',
    prepare: async (target) => {
      await target.createCollection('items');
      await target.createCollection('taken');
    },
    event: { operationType: 'rename', to: { db: '', coll: 'taken' }, operationDescription: { to: {} } },
    says: /cannot rename .* the target has something of that name already/,
  },
];

test('a refusal is explained; `refused` says whether the pipeline goes on', LIMIT, async () => {
  for (const { what, prepare, event, says } of CASES) {
    await using fixture = await DdlFixture.open(await testMongo());
    await prepare(fixture.target);
    const before = await structureOf(fixture.target);
    const db = fixture.source.databaseName;
    const to = event['to'] === undefined ? {} : { to: { ...event['to'], db } };
    const made = madeEvent({ ns: { db, coll: 'items' }, ...event, ...to });
    assert.equal(await applyTo(fixture.ddl(), made), 'ignored', what);
    assert.match(fixture.warnings.join(), says, what);
    const stop = fixture.ddl({ refused: 'stop' });
    await assert.rejects(applyTo(stop, made), { kind: 'config', code: 'mongodb.ddl-refused', message: says }, what);
    assert.ok(!JSON.stringify(fixture.stream.log).includes('secret-value'), what);
    assert.deepEqual(await structureOf(fixture.target), before, what);
  }
});

test('of several indexes those are made that the target accepts', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  const { source, target } = fixture;
  await target.collection('items').insertMany([{ e: 1 }, { e: 1 }]);
  const event = indexes({ key: { e: 1 }, name: 'e', unique: true }, { key: { f: 1 }, name: 'f' });
  const made = madeEvent({ ns: { db: source.databaseName, coll: 'items' }, ...event });
  assert.equal(await applyTo(fixture.ddl(), made), 'ignored');
  assert.deepEqual(
    (await target.collection('items').indexes()).map(({ name }) => name),
    ['_id_', 'f'],
  );
  assert.match(fixture.warnings.join(), /the index e of/);
});

test('a collection that is there and differs stays as it is, and the difference is named', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  const { source, target } = fixture;
  await target.createCollection('items', { validator: { a: 1 } });
  await target.collection('items').insertOne({ a: 1 });
  const ns = { db: source.databaseName, coll: 'items' };
  const create = (operationDescription: Document) => madeEvent({ operationType: 'create', ns, operationDescription });
  const same = create({ validator: { a: 1 }, validationLevel: 'strict' });
  assert.equal(await applyTo(fixture.ddl(), same), 'applied');
  assert.deepEqual(fixture.warnings, []);
  const other = create({ validator: { a: 2 }, collation: { locale: 'de' } });
  assert.equal(await applyTo(fixture.ddl(), other), 'ignored');
  assert.match(fixture.warnings.join(), /already, with another validator, collation; it stays as it is/);
  const view = create({ viewOn: 'other', pipeline: [] });
  assert.equal(await applyTo(fixture.ddl(), view), 'ignored');
  assert.match(fixture.warnings.join(), /with another type/);
  assert.equal(await target.collection('items').countDocuments(), 1);
});

test('what is not there is nothing to drop, and nothing to change', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  const ns = { db: fixture.source.databaseName, coll: 'items' };
  const index = { v: 2, key: { a: 1 }, name: 'a' };
  const outcomes = async () => {
    const seen: string[] = [];
    for (const event of [
      { operationType: 'drop' },
      { operationType: 'dropIndexes', operationDescription: { indexes: [index] } },
      { operationType: 'rename', to: { db: ns.db, coll: 'b' } },
      { operationType: 'dropDatabase', ns: { db: ns.db } },
      { operationType: 'modify', operationDescription: { validator: {} } },
      { operationType: 'modify', operationDescription: { index: { name: 'a', hidden: true } } },
    ]) {
      seen.push(await applyTo(fixture.ddl(), madeEvent({ ns, ...event })));
    }
    return seen;
  };
  const expected = ['applied', 'applied', 'applied', 'applied', 'ignored', 'ignored'];
  assert.deepEqual(await outcomes(), expected);
  await fixture.target.createCollection('b');
  assert.deepEqual(await outcomes(), ['applied', 'applied', 'ignored', 'applied', 'ignored', 'ignored']);
  assert.deepEqual(Object.keys(await structureOf(fixture.target)), ['b']);
});
