import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../core/logger.ts';
import { writerOver } from './bulk-fixture.ts';
import { IndexNames } from './index-name.ts';
import { Indexes } from './indexes.ts';
import { OtherEvents } from './other-events.ts';
import { type EventInit, SearchFixture, writeAll } from './sink-fixture.ts';
import { StateWriter } from './state-writer.ts';
import { TargetIndexes } from './target-indexes.ts';

const T = 1_750_000_000;
const at = (i: number): Pick<EventInit, 'time' | 'ordinal'> => ({ time: { t: T, i }, ordinal: 0 });

for (const mode of ['remove', 'tombstone'] as const)
  test(`a worker leaves out what is older than a drop that another one has dealt with (${mode})`, async () => {
    await using fixture = await SearchFixture.open();
    await using client = await fixture.client();
    const config = fixture.settings({ deletes: { mode } });
    const targets = new TargetIndexes(new IndexNames('{db}.{coll}'));
    const indexes = new Indexes({ client, config, learned: undefined, logger: silentLogger, lookEveryMs: 0 });
    const writer = writerOver(client);
    const others = new OtherEvents({ client, writer, logger: silentLogger, mode, config, targets, indexes });
    assert.ok(others);
    const states = new StateWriter({ config, targets, indexes, writer, routing: undefined });
    const late = {
      limits: { records: 1, bytes: 1, batchesInFlight: 1 },
      write: states.write.bind(states),
      [Symbol.asyncDispose]: async () => {},
    };
    await using first = await fixture.sink({ deletes: { mode } });
    await writeAll(late, [fixture.event({ id: 'a', ...at(1) })]);
    await writeAll(first, [fixture.event({ op: 'drop', ...at(5) })]);
    const { delivered } = await writeAll(late, [
      fixture.event({ id: 'b', ...at(2) }),
      fixture.event({ id: 'c', ...at(6) }),
    ]);
    assert.equal(delivered, 2);
    await writeAll(late, [fixture.event({ id: 'd', ...at(3) })]);
    const live = [...(await fixture.found())].flatMap(([id, { source }]) => ('_sluice' in source ? [] : [id]));
    assert.deepEqual(live, ['c']);
    // A new process knows it from the index.
    await using fresh = await fixture.sink({ deletes: { mode } });
    await writeAll(fresh, [fixture.event({ id: 'e', ...at(4) })]);
    assert.equal((await fixture.found()).has('e'), false);
    const { rejected } = await writeAll(late, [
      fixture.event({ id: 'r', sequence: 1, document: { _sluice: { deleted: true } }, ...at(8) }),
    ]);
    assert.deepEqual(rejected, mode === 'remove' ? [] : ['search.reserved-field 1']);
  });
