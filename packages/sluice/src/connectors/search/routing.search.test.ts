import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'bson';
import type { ChangeEvent } from '../../core/change-event.ts';
import { testRandom } from '../../testing/random.ts';
import { type EventInit, SearchFixture, writeAll } from './sink-fixture.ts';

const at = (i: number): Pick<EventInit, 'time'> => ({ time: { t: 1_750_000_000, i } });

/** An event of a document whose routing was `from` before and is `to` now; gone where it is left out. */
function moved(fixture: SearchFixture, i: number, from: string | undefined, to: string | undefined): ChangeEvent {
  const op = to === undefined ? 'delete' : from === undefined ? 'insert' : 'update';
  const event = fixture.event({ sequence: i, id: 'a', op, document: { r: to, i }, ...at(i) });
  const before = from === undefined ? undefined : Buffer.from(BSON.serialize({ _id: 'a', r: from }));
  return { ...event, before: () => before };
}

async function copies(fixture: SearchFixture): Promise<readonly string[]> {
  await fixture.call('POST', `/${fixture.index()}/_refresh`);
  const query = { query: { term: { _id: 'a' } } };
  const answer = await fixture.call('POST', `/${fixture.index()}/_search`, query);
  const { hits } = (answer as { hits: { hits: { _routing: string; _source: { i?: number } }[] } }).hits;
  return hits
    .filter(({ _source }) => _source.i !== undefined)
    .map(({ _routing, _source }) => `${_routing} ${_source.i}`);
}

for (const mode of ['remove', 'tombstone'] as const) {
  test(`with pre-images a document whose routing changes is in one shard only (${mode})`, async (t) => {
    await using fixture = await SearchFixture.open();
    // Some of the routings lead to the same shard.
    const settings = { number_of_shards: 3, number_of_replicas: 0 };
    await using sink = await fixture.sink({ routing: 'r', settings, deletes: { mode } });
    const random = testRandom(t);
    const routings = [undefined, 'x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7', 'x8'];
    let from: string | undefined;
    let i = 1;
    for (let batch = 0; batch < 25; batch++) {
      const events: ChangeEvent[] = [];
      for (let count = 1 + random.int(3); count > 0; count--) {
        const to = from === undefined ? random.pick(routings.slice(1)) : random.pick(routings);
        events.push(moved(fixture, i, from, to));
        from = to;
        i += 1;
      }
      // The second time as after a crash before the checkpoint.
      for (const part of random.chance(0.3) ? [events.slice(0, 1), events] : [events]) {
        assert.deepEqual((await writeAll(sink, part)).rejected, []);
      }
      assert.deepEqual(await copies(fixture), from === undefined ? [] : [`${from} ${i - 1}`]);
    }
  });
}

test('a document that is refused under its new routing stays under the old one', async () => {
  await using fixture = await SearchFixture.open();
  const mapping = { properties: { n: { type: 'long' } }, malformed: 'dead-letter' };
  await using sink = await fixture.sink({ routing: 'r', settings: { number_of_shards: 5 }, mapping });
  await writeAll(sink, [moved(fixture, 1, undefined, 'x1')]);
  const bad = moved(fixture, 2, 'x1', 'x7');
  const after = Buffer.from(BSON.serialize({ _id: 'a', r: 'x7', i: 2, n: 'no number' }));
  assert.deepEqual((await writeAll(sink, [{ ...bad, after: () => after }])).rejected, ['search.document-refused 2']);
  assert.deepEqual(await copies(fixture), ['x1 1']);
});

test('nothing is written when a document without routing cannot be put away', async () => {
  await using fixture = await SearchFixture.open();
  await using sink = await fixture.sink({ routing: 'r' });
  await writeAll(sink, [moved(fixture, 1, undefined, 'x1')]);
  const without = fixture.event({ sequence: 3, id: 'b', ...at(3) });
  const reject = () => Promise.reject(new Error('nowhere to put it'));
  await assert.rejects(writeAll(sink, [moved(fixture, 2, 'x1', 'x7'), without], { reject }), /nowhere/);
  assert.deepEqual(await copies(fixture), ['x1 1']);
});
