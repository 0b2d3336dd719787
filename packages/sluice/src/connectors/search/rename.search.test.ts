import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'bson';
import { type EventInit, SearchFixture, writeAll } from './sink-fixture.ts';

const T = 1_750_000_000;
const at = (i: number): Pick<EventInit, 'time' | 'ordinal'> => ({ time: { t: T, i }, ordinal: 0 });

function renameTo(
  fixture: SearchFixture,
  coll: string,
  { i, dropTarget = false }: { i: number; dropTarget?: boolean },
) {
  const to = { db: fixture.db, coll };
  const operationDescription = { to, ...(dropTarget ? { dropTarget: new BSON.UUID() } : {}) };
  return fixture.event({ op: 'rename', fields: { to, operationDescription }, ...at(i) });
}

test('a rename moves the documents that are older than it, also when it is repeated', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  const big = BSON.Long.fromString('9007199254740993');
  await writeAll(sink, [
    fixture.event({ id: 'a', document: { big, price: 1.5, text: 'é' }, ...at(1) }),
    fixture.event({ id: 'b', ...at(2) }),
  ]);
  const rename = renameTo(fixture, 'moved', { i: 5 });
  assert.equal((await writeAll(sink, [rename])).delivered, 1);
  assert.deepEqual([await fixture.ids(), await fixture.ids('moved')], [[], ['a', 'b']]);
  const raw = await fetch(`${fixture.url}/${fixture.index('moved')}/_source/a`);
  assert.deepEqual(await raw.text(), '{"n":0,"big":9007199254740993,"price":1.5,"text":"é"}');
  // Life goes on under both names; then the rename comes again, and with it what was before it.
  await writeAll(sink, [
    fixture.event({ id: 'a', coll: 'moved', document: { v: 'changed' }, ...at(6) }),
    fixture.event({ id: 'b', coll: 'moved', op: 'delete', ...at(7) }),
    fixture.event({ id: 'a', document: { v: 'another collection' }, ...at(8) }),
  ]);
  await writeAll(sink, [fixture.event({ id: 'a', ...at(1) }), fixture.event({ id: 'b', ...at(2) }), rename]);
  await writeAll(sink, [rename]);
  const [from, to] = [await fixture.found(), await fixture.found('moved')];
  assert.deepEqual([...from.keys(), from.get('a')?.source['v']], ['a', 'another collection']);
  assert.deepEqual([...to.keys(), to.get('a')?.source['v']], ['a', 'changed']);
});

test('the fields of a renamed collection keep their types', async () => {
  await using fixture = await SearchFixture.open();
  const sub = { properties: { when: { type: 'date' }, code: { type: 'keyword' } } };
  {
    await using sink = await fixture.sink({ mapping: { properties: { sub } } });
    await writeAll(sink, [fixture.event({ id: 'a', document: { sub: { when: new Date(0), code: 'x' } }, ...at(1) })]);
  }
  await using sink = await fixture.sink();
  await writeAll(sink, [renameTo(fixture, 'moved', { i: 5 })]);
  const answer = await fixture.call('GET', `/${fixture.index('moved')}/_mapping`);
  const { mappings } = answer[fixture.index('moved')] as { mappings: { properties: Record<string, unknown> } };
  assert.deepEqual(mappings.properties['sub'], sub);
  assert.deepEqual(await fixture.ids('moved'), ['a']);
});

test('documents of all sizes move', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  const events = Array.from({ length: 120 }, (_, sequence) =>
    fixture.event({ sequence, id: `d${sequence}`, document: { text: 'x '.repeat(sequence * 1000) }, ...at(1) }),
  );
  await writeAll(sink, events);
  await writeAll(sink, [renameTo(fixture, 'moved', { i: 5 })]);
  assert.deepEqual([(await fixture.ids()).length, (await fixture.ids('moved')).length], [0, 120]);
});

test('a document moves to where one with its id was deleted before', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  await writeAll(sink, [fixture.event({ id: 'a', document: { v: 'kept' }, ...at(1) })]);
  await writeAll(sink, [fixture.event({ id: 'a', coll: 'moved', ...at(2) })]);
  await writeAll(sink, [fixture.event({ id: 'a', coll: 'moved', op: 'delete', ...at(3) })]);
  await writeAll(sink, [renameTo(fixture, 'moved', { i: 5 })]);
  assert.equal((await fixture.found('moved')).get('a')?.source['v'], 'kept');
});

test('a rename that replaces a collection removes its documents', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  await writeAll(sink, [fixture.event({ id: 'a', ...at(1) })]);
  await writeAll(sink, [fixture.event({ id: 'old', coll: 'moved', ...at(2) })]);
  await writeAll(sink, [renameTo(fixture, 'moved', { i: 5, dropTarget: true })]);
  assert.deepEqual([await fixture.ids(), await fixture.ids('moved')], [[], ['a']]);
});

test('a rename that replaces a collection brings its own documents, also where the ids are the same', async () => {
  for (const mode of ['remove', 'tombstone']) {
    await using fixture = await SearchFixture.open();
    await using sink = await fixture.sink({ deletes: { mode } });
    const rename = renameTo(fixture, 'moved', { i: 5, dropTarget: true });
    await writeAll(sink, [
      fixture.event({ id: 'a', coll: 'moved', document: { v: 'old' }, ...at(1) }),
      fixture.event({ id: 'a', document: { v: 'new' }, ...at(2) }),
    ]);
    await writeAll(sink, [rename]);
    await writeAll(sink, [rename]);
    assert.equal((await fixture.found('moved')).get('a')?.source['v'], 'new', mode);
  }
});

test('what the index of the new name does not take stays where it is, and the rename is rejected', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  await fixture.call('PUT', `/${fixture.index('moved')}`, { mappings: { properties: { x: { type: 'long' } } } });
  await writeAll(sink, [
    fixture.event({ id: 'good', document: { x: '1' }, ...at(1) }),
    fixture.event({ id: 'bad', document: { x: 'one' }, ...at(2) }),
  ]);
  const { delivered, rejected } = await writeAll(sink, [renameTo(fixture, 'moved', { i: 5 })]);
  assert.deepEqual([delivered, rejected], [0, ['search.rename-refused 0']]);
  assert.deepEqual([await fixture.ids(), await fixture.ids('moved')], [['bad'], ['good']]);
});

test('with onRename: ignore, and for the copy of convertToCapped, nothing moves', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink({ onRename: 'ignore' });
  await using following = await fixture.sink();
  await writeAll(sink, [fixture.event({ id: 'a', ...at(1) })]);
  assert.equal((await writeAll(sink, [renameTo(fixture, 'moved', { i: 5 })])).filtered, 1);
  const to = { db: fixture.db, coll: 'items' };
  const fields = { to, operationDescription: { to, dropTarget: new BSON.UUID() } };
  const coll = 'tmpabcde.convertToCapped.items';
  assert.equal((await writeAll(following, [fixture.event({ op: 'rename', coll, fields, ...at(6) })])).filtered, 1);
  assert.deepEqual(await fixture.ids(), ['a']);
});

test('one index for a collection goes on under its new name, also after a restart and when the past comes again', async () => {
  await using fixture = await SearchFixture.open();
  const index = `${fixture.db}.one`;
  const ids = () => fixture.ids('one');
  const past = [fixture.event({ id: 'a', ...at(1) }), renameTo(fixture, 'moved', { i: 5 })];
  const later = [fixture.event({ id: 'b', coll: 'moved', ...at(6) })];
  {
    await using sink = await fixture.sink({ index });
    assert.equal((await writeAll(sink, past)).delivered, 2);
    await writeAll(sink, later);
  }
  {
    await using sink = await fixture.sink({ index });
    await writeAll(sink, [...past, ...later]);
    // A new collection of the old name would share the index.
    const again = writeAll(sink, [fixture.event({ id: 'a', ...at(8) })]);
    await assert.rejects(again, { kind: 'config', code: 'search.shared-index' });
  }
  await using sink = await fixture.sink({ index });
  await writeAll(sink, later);
  assert.deepEqual(await ids(), ['a', 'b']);
  await writeAll(sink, [fixture.event({ op: 'drop', coll: 'moved', ...at(9) })]);
  assert.deepEqual(await ids(), []);
});

test('one index for a collection whose name is given away keeps to that name', async () => {
  await using fixture = await SearchFixture.open();
  const index = `${fixture.db}.one`;
  await using sink = await fixture.sink({ index });
  await writeAll(sink, [fixture.event({ id: 'a', ...at(1) }), renameTo(fixture, 'old', { i: 5 })]);
  await writeAll(sink, [fixture.event({ id: 'b', ...at(6) })]);
  assert.deepEqual(await fixture.ids('one'), ['a', 'b']);
  // What is put in the place of the collection did not come as changes of this index.
  const replaced = fixture.event({
    op: 'rename',
    coll: 'tmp.agg_out.x',
    fields: { to: { db: fixture.db, coll: 'items' }, operationDescription: { dropTarget: new BSON.UUID() } },
    ...at(8),
  });
  assert.equal((await writeAll(sink, [replaced])).delivered, 1);
  assert.deepEqual(await fixture.ids('one'), []);
});

test('without tombstones a document that looks like one moves as any other', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  await writeAll(sink, [fixture.event({ id: 'a', document: { _sluice: { deleted: true } }, ...at(1) })]);
  await writeAll(sink, [renameTo(fixture, 'moved', { i: 5 })]);
  assert.deepEqual([await fixture.ids(), await fixture.ids('moved')], [[], ['a']]);
});
