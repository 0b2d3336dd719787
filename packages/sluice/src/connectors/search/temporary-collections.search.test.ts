import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'bson';
import { type EventInit, SearchFixture, writeAll } from './sink-fixture.ts';

const T = 1_750_000_000;
const at = (i: number): Pick<EventInit, 'time' | 'ordinal'> => ({ time: { t: T, i }, ordinal: 0 });

function rename(fixture: SearchFixture, coll: string, i: number, to = 'items') {
  const target = { db: fixture.db, coll: to };
  const fields = { to: target, operationDescription: { to: target, dropTarget: new BSON.UUID() } };
  return fixture.event({ op: 'rename', coll, fields, ...at(i) });
}

async function exists(fixture: SearchFixture, coll: string): Promise<boolean> {
  return (await fixture.call('HEAD', `/${fixture.index(coll)}`))['status'] === 200;
}

const TEMPORARY = ['tmp.agg_out.6e1f1bd0-0f3a-4b1e-9a3e-7b7f3f0c3f2a', 'tmpab3xy.renameCollection'];

for (const mode of ['remove', 'tombstone'] as const) {
  test(`the index of a temporary collection is gone after its rename, also when it is repeated (${mode})`, async () => {
    await using fixture = await SearchFixture.open();
    await using sink = await fixture.sink({ deletes: { mode } });
    for (const [place, coll] of TEMPORARY.entries()) {
      const i = 10 * place;
      const events = [
        fixture.event({ id: 'a', coll, ...at(i + 1) }),
        fixture.event({ id: 'b', coll, ...at(i + 2) }),
        rename(fixture, coll, i + 5),
        fixture.event({ id: 'c', ...at(i + 6) }),
      ];
      assert.equal((await writeAll(sink, events)).delivered, 4);
      assert.equal((await writeAll(sink, events)).delivered, 4);
      assert.equal(await exists(fixture, coll.toLowerCase()), false);
      const live = [...(await fixture.found())].flatMap(([id, { source }]) => ('_sluice' in source ? [] : [id]));
      assert.deepEqual(live.sort(), ['a', 'b', 'c']);
    }
  });
}

test('a temporary collection that is dropped leaves no index; what anybody else has made or written stays', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  const [dropped, foreign, newer] = ['a', 'b', 'c'].map((name) => `tmp.agg_out.${name}`) as [string, string, string];
  await fixture.call('PUT', `/${fixture.index(foreign)}`);
  for (const coll of [dropped, foreign, newer, 'usual']) {
    await writeAll(sink, [fixture.event({ id: 'a', coll, ...at(1) })]);
    if (coll === newer) await writeAll(sink, [fixture.event({ id: 'b', coll, ...at(9) })]);
    await writeAll(sink, [fixture.event({ op: 'drop', coll, ...at(5) })]);
  }
  const left = await Promise.all([dropped, foreign, newer, 'usual'].map((coll) => exists(fixture, coll)));
  assert.deepEqual(left, [false, true, true, true]);
});

test('deletes of a conversion to a capped collection reach the index of the collection, and it is not emptied', async () => {
  await using fixture = await SearchFixture.open();
  const warnings: string[] = [];
  const logger = {
    debug() {},
    info() {},
    error() {},
    warn: (_: object, message: string) => void warnings.push(message),
    child: () => logger,
  };
  const coll = 'tmpab3xy.convertToCapped.items';
  const ends = ['create', 'snapshotEnd', 'drop'].map((op) =>
    fixture.event({ op, coll, fields: { since: new BSON.Timestamp({ t: T, i: 8 }) }, ...at(8) }),
  );
  const write = (sink: Parameters<typeof writeAll>[0]) =>
    writeAll(
      sink,
      ['a', 'b', 'c'].map((id, sequence) => fixture.event({ id, sequence, ...at(sequence + 1) })),
    );
  {
    await using sink = await fixture.sink({}, { logger });
    await write(sink);
    await writeAll(sink, [fixture.event({ id: 'a', op: 'delete', coll, ...at(5) }), rename(fixture, coll, 7)]);
    assert.deepEqual(await fixture.ids(), ['b', 'c']);
    assert.match(warnings.splice(0).join(), /was made a capped one/);
    await writeAll(sink, ends);
    assert.deepEqual(await fixture.ids(), ['b', 'c']);
    assert.match(warnings.join(), /conversion .* was given up/);
  }
  // As after a restart.
  await using sink = await fixture.sink({}, { logger });
  await writeAll(sink, [fixture.event({ id: 'b', op: 'delete', coll, ...at(6) })]);
  assert.equal((await writeAll(sink, [rename(fixture, coll, 7)])).filtered, 1);
  assert.deepEqual(await fixture.ids(), ['c']);
  assert.equal(await exists(fixture, coll.toLowerCase()), false);
});
