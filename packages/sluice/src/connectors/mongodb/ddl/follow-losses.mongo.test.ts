import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Db } from 'mongodb';
import { testMongo } from '../../../testing/servers/mongo.ts';
import { applyTo, DdlFixture, structureOf } from './ddl-fixture.ts';

/*
 * Changes whose events do not tell all that the server did: followed to the letter they would lose documents, or leave
 * some behind.
 */

const LIMIT = { timeout: 300_000 };

async function changesOf(fixture: DdlFixture) {
  return (await fixture.events()).filter(({ op }) => op !== 'insert');
}

async function idsIn(db: Db, name: string): Promise<string[]> {
  const documents = await db.collection(name).find().sort({ _id: 1 }).toArray();
  return documents.map(({ _id }) => String(_id));
}

function marksOf({ target }: DdlFixture) {
  return { marks: { database: target.databaseName, collection: 'marks', partition: 'test/0' } };
}

test('a collection that becomes capped keeps its documents, also when that is repeated', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  await fixture.watch();
  const { source, target } = fixture;
  for (const db of [source, target])
    await db.collection('small').insertMany([{ _id: 1 as never }, { _id: 2 as never }]);
  await fixture.events();
  await source.command({ convertToCapped: 'small', size: 4096 });
  const events = await changesOf(fixture);
  const ddl = fixture.ddl('apply', marksOf(fixture));
  for (const event of [...events, ...events, ...events.slice(1)]) assert.equal(await applyTo(ddl, event), 'applied');
  assert.deepEqual(await idsIn(target, 'small'), ['1', '2']);
  assert.equal((await target.collection('small').options())['capped'], true);
  const names = (await target.listCollections().toArray()).map(({ name }) => name);
  assert.deepEqual(
    names.filter((name) => name.includes('convertToCapped')),
    [],
  );
});

test('time series of a dropped database go, though no event tells of them', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  const db = fixture.source.databaseName;
  // A stream of one database would end with it.
  await fixture.watch({ include: [`${db}.*`, `${db}_other.*`] });
  await fixture.source.createCollection('series', { timeseries: { timeField: 't' } });
  await fixture.source.createCollection('view', { viewOn: 'series', pipeline: [] });
  const made = await changesOf(fixture);
  await fixture.source.dropDatabase();
  const ddl = fixture.ddl();
  for (const event of [...made, ...(await changesOf(fixture))]) await applyTo(ddl, event);
  assert.deepEqual(await structureOf(fixture.target), {});
});

test('where several collections go into one, no index or option of it goes with one of them', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  await fixture.watch();
  const { source, target } = fixture;
  for (const name of ['a', 'b']) await source.collection(name).createIndex({ n: 1 }, { name: 'n' });
  await source.collection('a').dropIndex('n');
  await source.command({ collMod: 'a', validator: { q: { $exists: true } } });
  const mapNamespace = () => ({ db: target.databaseName, coll: 'all' });
  const ddl = fixture.ddl('apply', { mapNamespace });
  for (const event of await changesOf(fixture)) await applyTo(ddl, event);
  assert.ok((await target.collection('all').indexes()).some(({ name }) => name === 'n'));
  assert.deepEqual(await target.collection('all').options(), {});
});

test('without `drop: apply` no rename replaces a collection, and no time series goes', LIMIT, async () => {
  await using fixture = await DdlFixture.open(await testMongo());
  const db = fixture.source.databaseName;
  await fixture.watch({ include: [`${db}.*`, `${db}_other.*`] });
  const { source, target } = fixture;
  for (const name of ['next', 'current', 'small']) await source.createCollection(name);
  await source.createCollection('series', { timeseries: { timeField: 't' } });
  const made = await changesOf(fixture);
  for (const drop of ['warn', 'ignore']) for (const event of made) await applyTo(fixture.ddl({ drop }), event);
  for (const name of ['next', 'current', 'small']) await target.collection(name).insertOne({ _id: name as never });
  await source.command({ convertToCapped: 'small', size: 4096 });
  await source.renameCollection('next', 'current', { dropTarget: true });
  await source.renameCollection('current', 'free');
  const renames = await changesOf(fixture);
  const replacing = renames.find(({ op, namespace }) => op === 'rename' && namespace.coll === 'next')!;
  for (const event of renames.slice(0, -1)) {
    const outcome = event === replacing ? 'ignored' : 'applied';
    assert.equal(await applyTo(fixture.ddl({ drop: 'ignore' }, marksOf(fixture)), event), outcome, event.op);
  }
  assert.deepEqual([await idsIn(target, 'next'), await idsIn(target, 'current')], [['next'], ['current']]);
  assert.match(fixture.warnings.join(), /would replace .*\.current, and ddl\.drop is ignore/);
  await assert.rejects(applyTo(fixture.ddl({ drop: 'stop' }), replacing), { code: 'mongodb.ddl-stop' });
  assert.equal((await target.collection('small').options())['capped'], true);
  const free = renames.at(-1)!;
  assert.equal(await applyTo(fixture.ddl({ drop: 'stop' }), free), 'applied', 'nothing is replaced');
  await source.dropDatabase();
  for (const event of await changesOf(fixture)) await applyTo(fixture.ddl({ drop: 'ignore' }), event);
  assert.ok('series' in (await structureOf(target)));
});
