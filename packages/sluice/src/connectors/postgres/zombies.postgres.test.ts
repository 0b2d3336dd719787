import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ChangeEvent } from '../../core/change-event.ts';
import { testPostgres } from '../../testing/servers/postgres.ts';
import { event, PostgresFixture, writeEvents } from './sink-fixture.ts';

let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

const KEYS = 40;
const CHANGES = 1_200;
const WRITERS = 4;

/** Numbers that are the same in every run. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % sides;
  };
}

function history(roll: (sides: number) => number): readonly ChangeEvent[] {
  return Array.from({ length: CHANGES }, (_, sequence) => {
    const op = roll(3) === 0 ? 'delete' : 'insert';
    const lines = Array.from({ length: roll(3) }, (_element, at) => ({ at }));
    return event({ coll: 'zombies', id: roll(KEYS), sequence, op, document: { lines } });
  });
}

test('writers that know nothing of each other, late and repeated, end in the newest state of each document', async () => {
  for (const seed of [1, 2]) {
    const roll = dice(seed);
    const events = history(roll);
    await fixture.client.query(`drop schema if exists ${fixture.schema} cascade`);
    await fixture.client.query(`drop schema if exists ${fixture.stateSchema} cascade`);
    await Promise.all(
      Array.from({ length: WRITERS }, async (_, writer) => {
        // Exactly-once would have them fenced; what is looked at here is what happens without.
        await using sink = await fixture.sink({ childTables: [{ collection: 'shop.*', path: 'lines' }] });
        const own = dice(seed * 100 + writer);
        for (let at = 0; at < CHANGES; at += 60) {
          const from = Math.max(0, at - own(200));
          const { rejections } = await writeEvents(sink, events.slice(from, at + 60));
          assert.deepEqual(rejections, []);
        }
      }),
    );
    // One of them wakes up last, with changes of long ago.
    await using late = await fixture.sink({ childTables: [{ collection: 'shop.*', path: 'lines' }] });
    for (let at = 0; at < CHANGES; at += 100) await writeEvents(late, events.slice(at, at + 50));
    const newest = new Map(events.map((one) => [Buffer.from(one.key() ?? []).toString('hex'), one]));
    const expected = [...newest.values()].filter(({ op }) => op !== 'delete').map(({ id }) => Number.parseInt(id, 16));
    const rows = await fixture.rows(
      `select (document ->> 'n')::int as n, jsonb_array_length(document -> 'lines') as lines,
        (select count(*)::int from ${fixture.schema}.zombies_lines where _parent = t._id) as children
       from ${fixture.schema}.zombies t`,
    );
    const found = rows.map(({ n }) => Number(n)).toSorted((a, b) => a - b);
    assert.deepEqual(
      found,
      expected.toSorted((a, b) => a - b),
    );
    for (const { lines, children } of rows) assert.equal(children, lines);
  }
});
