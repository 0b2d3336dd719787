import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventInit, SearchFixture, writeAll } from './sink-fixture.ts';

test('lanes that bring the same new fields with different types lose no document', async () => {
  await using fixture = await SearchFixture.open();
  for (let round = 0; round < 4; round++) {
    await using sink = await fixture.sink({ mapping: { from: 'none' } });
    const lanes = Array.from({ length: 4 }, (_, lane) =>
      Array.from({ length: 50 }, (_, row) => {
        const document = Object.fromEntries(
          Array.from({ length: 30 }, (_, field) => [`p${field}`, (lane + row + field) % 2 === 0 ? 9 : 9.5]),
        );
        return fixture.event({ coll: `round${round}`, id: `${lane}-${row}`, document });
      }),
    );
    const results = await Promise.all(lanes.map((events) => writeAll(sink, events)));
    assert.deepEqual(
      results.flatMap(({ rejections }) => rejections.map(({ error }) => error.message)),
      [],
    );
  }
});

test('messages relayed without a cluster time are guarded by their offsets, however high', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink();
  const offset = (ordinal: number): Pick<EventInit, 'time' | 'ordinal'> => ({
    time: { t: 1_750_000_000, i: 0 },
    ordinal,
  });
  await writeAll(sink, [fixture.event({ id: 'a', document: { v: 'second' }, ...offset(5001) })]);
  await writeAll(sink, [fixture.event({ id: 'a', document: { v: 'first, late' }, ...offset(5000) })]);
  assert.equal((await fixture.found()).get('a')?.source['v'], 'second');
  await writeAll(sink, [fixture.event({ id: 'a', op: 'delete', ...offset(4_000_000_003) })]);
  await writeAll(sink, [fixture.event({ id: 'a', document: { v: 'zombie' }, ...offset(4_000_000_002) })]);
  assert.deepEqual(await fixture.ids(), []);
});
