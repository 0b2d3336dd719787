import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { testPostgres } from '../../testing/servers/postgres.ts';
import { event, PostgresFixture, writeEvents } from './sink-fixture.ts';

let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

test('processes that start at the same time make the state tables once, and write at once', {
  timeout: 300_000,
}, async () => {
  const work = async (at: number) => {
    await using sink = await fixture.sink();
    for (let round = 0; round < 3; round++) {
      await writeEvents(sink, [event({ coll: `c${at}_${round}`, id: 1, sequence: 1 })]);
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, at) => work(at)));
  assert.equal((await fixture.rows(`select from ${fixture.stateSchema}.tables`)).length, 24);
});
