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

const insert = (coll: string, id: unknown, sequence: number) => event({ coll, id, sequence });
const drop = (coll: string, sequence: number) => event({ coll, op: 'drop', sequence });
const rename = (coll: string, to: string, sequence: number, db = 'shop') =>
  event({ coll, op: 'rename', sequence, fields: { to: { db, coll: to } } });

test('behind a copy what is older than its beginning is gone, and does not come back', async () => {
  await using sink = await fixture.sink();
  await writeEvents(sink, [insert('copied', 1, 1), insert('copied', 2, 2), insert('copied', 3, 3)]);
  const since = event({ sequence: 3 }).version.clusterTime;
  const end = event({ coll: 'copied', op: 'snapshotEnd', sequence: 9, fields: { since: new BSON.Timestamp(since) } });
  for (let time = 0; time < 2; time++) {
    assert.deepEqual({ ...(await writeEvents(sink, [end])) }, { delivered: 1, filtered: 0, rejections: [] });
    assert.deepEqual(await fixture.ids('copied'), ['~3']);
    await writeEvents(sink, [insert('copied', 1, 2), insert('copied', 4, 1)]);
    assert.deepEqual(await fixture.ids('copied'), ['~3']);
  }
  await writeEvents(sink, [insert('copied', 1, 4)]);
  assert.deepEqual(await fixture.ids('copied'), ['~1', '~3']);
});

test('a sweep goes through tables of many rows', async () => {
  await using sink = await fixture.sink();
  await writeEvents(sink, [insert('large', 'seed', 1)]);
  const path = `${fixture.schema}.large`;
  await fixture.client.query(
    `insert into ${path} select 'x' || i, '{}', t._ts, i from generate_series(1, 25000) i, ${path} t where t._id = 'seed'`,
  );
  await writeEvents(sink, [insert('large', 'seed', 3), drop('large', 2)]);
  assert.deepEqual(await fixture.ids('large'), ['seed']);
});

test('a dropped collection leaves an empty table, or its rows where that is asked for', async () => {
  await using sink = await fixture.sink();
  await writeEvents(sink, [insert('dropped', 1, 1), drop('dropped', 2), insert('dropped', 2, 3)]);
  assert.deepEqual(await fixture.ids('dropped'), ['~2']);
  await writeEvents(sink, [insert('dropped', 1, 1), drop('dropped', 2)]);
  assert.deepEqual(await fixture.ids('dropped'), ['~2']);
  await using keeping = await fixture.sink({ onDrop: 'keep' });
  const { filtered } = await writeEvents(keeping, [drop('dropped', 4)]);
  assert.deepEqual([filtered, await fixture.ids('dropped')], [1, ['~2']]);
  assert.equal((await writeEvents(sink, [drop('unknown', 5)])).filtered, 1);
});

test('a rename moves rows with their columns and child rows, and can be repeated at any time', async () => {
  const childTables = [{ collection: 'shop.*', path: 'lines' }];
  fixture.learned.set('before', {
    revision: 1,
    fields: [
      { path: 'total', types: ['int'] },
      { path: 'lines', types: ['array'] },
      { path: 'lines[]', types: ['object'] },
      { path: 'lines[].sku', types: ['string'] },
    ],
    maps: [],
  });
  await using sink = await fixture.sink({ childTables });
  const row = (id: number, sequence: number) =>
    event({
      coll: 'before',
      id,
      sequence,
      document: { total: id * 10, lines: [{ sku: `a${id}` }, { sku: `b${id}` }] },
    });
  const all = [
    row(1, 1),
    row(2, 2),
    insert('behind', 9, 1),
    rename('before', 'behind', 5),
    event({ coll: 'behind', id: 2, op: 'delete', sequence: 6 }),
    event({ coll: 'behind', id: 3, sequence: 7 }),
    insert('before', 4, 8),
  ];
  await writeEvents(sink, all);
  const look = async () => ({
    before: await fixture.ids('before'),
    behind: await fixture.rows(`select _id, total from ${fixture.schema}.behind order by 1`),
    lines: await fixture.rows(`select _parent, _index, sku from ${fixture.schema}.behind_lines order by 1, 2`),
    old: await fixture.rows(`select 1 from ${fixture.schema}.before_lines`),
  });
  const expected = {
    before: ['~4'],
    behind: [
      { _id: '~1', total: '10' },
      { _id: '~3', total: null },
    ],
    lines: [
      { _parent: '~1', _index: 0, sku: 'a1' },
      { _parent: '~1', _index: 1, sku: 'b1' },
    ],
    old: [],
  };
  assert.deepEqual(await look(), expected);
  for (let from = 0; from < all.length; from++) {
    await writeEvents(sink, all.slice(0, from + 1));
    assert.deepEqual(await look(), expected, `after the first ${from + 1} again`);
  }
});

test('what replaces a collection from outside empties its table; ignored renames and conversions do nothing', async () => {
  await using sink = await fixture.sink();
  await writeEvents(sink, [insert('kept', 1, 1)]);
  await writeEvents(sink, [rename('tmpAbc.convertToCapped.kept', 'kept', 2)]);
  assert.deepEqual(await fixture.ids('kept'), ['~1']);
  await using ignoring = await fixture.sink({ onRename: 'ignore' });
  assert.equal((await writeEvents(ignoring, [rename('elsewhere', 'kept', 3)])).filtered, 1);
  assert.deepEqual(await fixture.ids('kept'), ['~1']);
  await writeEvents(sink, [rename('elsewhere', 'kept', 3)]);
  assert.deepEqual(await fixture.ids('kept'), []);
});

test('a gap is told, and other changes of collections are passed over', async () => {
  await using sink = await fixture.sink();
  const { filtered } = await writeEvents(sink, [
    event({ op: 'gap', sequence: 1 }),
    event({ op: 'createIndexes', sequence: 2 }),
    event({ op: 'dropDatabase', coll: '', sequence: 3 }),
  ]);
  assert.equal(filtered, 3);
  assert.ok(fixture.log.some((line) => line.startsWith('changes are missing')));
});
