import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BSON } from 'mongodb';
import { testPostgres } from '../../testing/servers/postgres.ts';
import { event, PostgresFixture, writeEvents } from './sink-fixture.ts';

let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

test('the last state of each document is a row, with its version', async () => {
  await using sink = await fixture.sink();
  const written = await writeEvents(sink, [
    event({ coll: 'plain', sequence: 1, id: 1, document: { name: 'one' } }),
    event({ coll: 'plain', sequence: 2, id: 2, document: { name: 'two' } }),
    event({ coll: 'plain', sequence: 3, id: 1, op: 'replace', document: { name: 'one again' } }),
    event({ coll: 'plain', sequence: 4, id: 2, op: 'delete' }),
    event({ coll: 'plain', sequence: 5, id: 3, op: 'snapshot', document: { name: 'three' } }),
  ]);
  assert.deepEqual({ ...written }, { delivered: 5, filtered: 0, rejections: [] });
  assert.deepEqual(await fixture.documents('plain'), [
    { _id: 1, n: 3, name: 'one again' },
    { _id: 3, n: 5, name: 'three' },
  ]);
  const [row] = await fixture.rows(`select _ts, _ord from ${fixture.schema}.plain where _id = '~1'`);
  assert.equal(row?.['_ts'], String(((1_700_000_000n - 1_577_836_800n) << 32n) + 4n));
});

test('every batch can be written again, whole or in part, without a change', async () => {
  await using sink = await fixture.sink();
  const events = [
    event({ coll: 'again', sequence: 1, id: 1, document: { v: 'old' } }),
    event({ coll: 'again', sequence: 2, id: 2, document: { v: 'old' } }),
    event({ coll: 'again', sequence: 3, id: 1, op: 'update', document: { v: 'new' } }),
    event({ coll: 'again', sequence: 4, id: 2, op: 'delete' }),
  ];
  await writeEvents(sink, events);
  const before = await fixture.documents('again');
  for (let end = 1; end <= events.length; end++) {
    const { delivered } = await writeEvents(sink, events.slice(0, end));
    assert.equal(delivered, end);
    assert.deepEqual(await fixture.documents('again'), before);
  }
  for (const one of events) await writeEvents(sink, [one]);
  assert.deepEqual(await fixture.documents('again'), before);
});

test('a deleted document stays deleted until something newer comes', async () => {
  await using sink = await fixture.sink();
  await writeEvents(sink, [event({ coll: 'gone', sequence: 5, id: 1, op: 'delete' })]);
  await writeEvents(sink, [event({ coll: 'gone', sequence: 4, id: 1 })]);
  assert.deepEqual(await fixture.ids('gone'), []);
  await writeEvents(sink, [event({ coll: 'gone', sequence: 6, id: 1 })]);
  assert.deepEqual(await fixture.ids('gone'), ['~1']);
  await writeEvents(sink, [event({ coll: 'gone', sequence: 5, id: 1, op: 'delete' })]);
  assert.deepEqual(await fixture.ids('gone'), ['~1']);
});

test('events of one transaction, which share their time, are told apart by their place in it', async () => {
  await using sink = await fixture.sink();
  const at = (ordinal: number, init: object) => {
    const made = event({ coll: 'ordinals', sequence: 1, id: 1, ...init });
    return { ...made, version: { ...made.version, ordinal } };
  };
  await writeEvents(sink, [at(2, { document: { v: 2 } })]);
  await writeEvents(sink, [at(1, { op: 'delete' })]);
  await writeEvents(sink, [at(1, { document: { v: 1 } })]);
  assert.deepEqual(await fixture.documents('ordinals'), [{ _id: 1, n: 1, v: 2 }]);
  await writeEvents(sink, [at(2 ** 40, { document: { v: 'far' } })]);
  assert.deepEqual(await fixture.documents('ordinals'), [{ _id: 1, n: 1, v: 'far' }]);
});

test('ids of every type are rows of their own, the same ones for MongoDB are one', async () => {
  await using sink = await fixture.sink();
  const texts = ['1', '', '~1', 'a\u0000b', '5f5f5f5f5f5f5f5f5f5f5f5f', 'ä'.repeat(300), 'x'.repeat(9_000)];
  const values = [1, 2 ** 60, true, null, new Date(5), { a: 1 }, { a: '1' }, `${'x'.repeat(9_000)}y`];
  const { ObjectId, UUID, MinKey, Decimal128, Timestamp } = BSON;
  const objects = [new ObjectId('5f5f5f5f5f5f5f5f5f5f5f5f'), new UUID(), new MinKey(), new Timestamp(1n)];
  const ids = [...texts, ...values, ...objects, Decimal128.fromString('1.5')];
  await writeEvents(
    sink,
    ids.map((id, sequence) => event({ coll: 'ids', sequence, id })),
  );
  assert.equal((await fixture.ids('ids')).length, ids.length);
  const same = [new BSON.Int32(1), new BSON.Double(1), BSON.Long.fromNumber(1), BSON.Decimal128.fromString('1.0')];
  await writeEvents(
    sink,
    same.map((id, at) => event({ coll: 'ids', sequence: 100 + at, id })),
  );
  assert.equal((await fixture.ids('ids')).length, ids.length);
  await writeEvents(
    sink,
    ids.map((id, sequence) => event({ coll: 'ids', sequence: 200 + sequence, id, op: 'delete' })),
  );
  assert.deepEqual(await fixture.ids('ids'), []);
});

test('an update without its document is dead-lettered, or left out where that is asked for', async () => {
  const update = { ...event({ coll: 'updates', sequence: 1, id: 1, op: 'update' }), after: () => undefined };
  await using strict = await fixture.sink();
  const { rejections, delivered } = await writeEvents(strict, [update]);
  assert.equal(rejections[0]?.error.code, 'postgres.no-document');
  assert.equal(delivered, 0);
  await using lax = await fixture.sink({ missingDocument: 'skip' });
  assert.deepEqual({ ...(await writeEvents(lax, [update])) }, { delivered: 0, filtered: 1, rejections: [] });
  const dropped = await writeEvents(lax, [{ ...update, degraded: 'images-dropped' }]);
  assert.equal(dropped.rejections[0]?.error.code, 'postgres.no-document');
  assert.match(dropped.rejections[0].error.message, /too large/);
});

test('deletes are forgotten some time after they were written', async () => {
  await using sink = await fixture.sink({ keepDeleted: '1m' });
  const deleted = `${fixture.stateSchema}.deleted`;
  await writeEvents(sink, [event({ coll: 'forget', sequence: 1, id: 1, op: 'delete' })]);
  await fixture.client.query(`update ${deleted} set at = now() - interval '2 minutes'`);
  await using later = await fixture.sink({ keepDeleted: '1m' });
  await writeEvents(later, [event({ coll: 'forget', sequence: 2, id: 2, op: 'delete' })]);
  const left = await fixture.rows(`select _id from ${deleted}`);
  assert.deepEqual(left, [{ _id: '~2' }]);
});
