import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventInit, SearchFixture, writeAll } from './sink-fixture.ts';

const at = (i: number): Pick<EventInit, 'time'> => ({ time: { t: 1_750_000_000, i } });
/** Drops the documents whose text has no space. */
const DROPPING = [{ dissect: { field: 'text', pattern: '%{a} %{b}', on_failure: [{ drop: {} }] } }];

async function withPipeline(fixture: SearchFixture, processors: readonly object[]): Promise<AsyncDisposable> {
  const path = `/_ingest/pipeline/${fixture.db}`;
  await fixture.call('PUT', path, { processors });
  return { [Symbol.asyncDispose]: async () => void (await fixture.call('DELETE', path)) };
}

async function expectDrops(fixture: SearchFixture, settings: Record<string, unknown>, deletes: object): Promise<void> {
  await using sink = await fixture.sink({ ...settings, deletes });
  const events = [
    fixture.event({ sequence: 1, id: 'a', document: { text: 'in public' }, ...at(1) }),
    fixture.event({ sequence: 2, id: 'b', document: { text: 'in public' }, ...at(2) }),
  ];
  assert.equal((await writeAll(sink, events)).delivered, 2);
  const hidden = fixture.event({ sequence: 3, id: 'a', op: 'update', document: { text: 'secret' }, ...at(3) });
  for (let round = 0; round < 2; round++) {
    const { delivered, filtered, rejected } = await writeAll(sink, [hidden, ...events.slice(1)]);
    assert.deepEqual([delivered, filtered, rejected], [1, 1, []]);
    const found = await fixture.found();
    assert.equal(found.get('b')?.source['text'], 'in public');
    assert.equal(found.get('a')?.source['text'], undefined);
  }
  // Nothing older comes back, and what is newer does.
  await writeAll(sink, events);
  assert.equal((await fixture.found()).get('a')?.source['text'], undefined);
  await writeAll(sink, [fixture.event({ sequence: 4, id: 'a', document: { text: 'public again' }, ...at(4) })]);
  assert.equal((await fixture.found()).get('a')?.source['text'], 'public again');
}

test('a document that the configured pipeline drops does not stay as it was', async () => {
  await using fixture = await SearchFixture.open();
  await using _ = await withPipeline(fixture, DROPPING);
  await expectDrops(fixture, { pipeline: fixture.db }, {});
});

test('a document that a pipeline of the index drops becomes a tombstone, where these are used', async () => {
  await using fixture = await SearchFixture.open();
  await using _ = await withPipeline(fixture, DROPPING);
  await expectDrops(fixture, { settings: { default_pipeline: fixture.db } }, { mode: 'tombstone' });
});

test('a document that the final pipeline of an index drops is removed, its tombstone as well', async () => {
  await using fixture = await SearchFixture.open();
  await using _ = await withPipeline(fixture, DROPPING);
  await expectDrops(fixture, { settings: { final_pipeline: fixture.db } }, { mode: 'tombstone' });
  await fixture.call('PUT', `/_ingest/pipeline/${fixture.db}`, { processors: [{ drop: {} }] });
  await using sink = await fixture.sink({ deletes: { mode: 'tombstone' } });
  await writeAll(sink, [fixture.event({ id: 'b', op: 'delete', ...at(9) })]);
  assert.equal((await fixture.found()).get('b'), undefined);
});

test('of what processors fail on, each document is rejected for its own error, and the rest is delivered', async () => {
  await using fixture = await SearchFixture.open();
  await using _ = await withPipeline(fixture, [
    { dissect: { field: 'text', pattern: '%{a} %{b}', ignore_missing: true } },
    { convert: { field: 'c', type: 'integer', ignore_missing: true } },
    { uppercase: { field: 'u', ignore_missing: true } },
    { sort: { field: 'list' } },
  ]);
  await using sink = await fixture.sink({ pipeline: fixture.db });
  const list = [2, 1];
  const kinds = [
    [{ list, text: 'SECRET' }, 'find match for dissect'],
    [{ list }, ''],
    [{ list, c: 'SECRET' }, 'unable to convert'],
    [{ list, u: 5 }, 'cannot be cast'],
    [{ list: ['a', 1] }, 'class_cast_exception'],
  ] as const;
  const events = Array.from({ length: 40 }, (_, sequence) => {
    const [document] = kinds[sequence % kinds.length] ?? [];
    return fixture.event({ sequence, id: `d${sequence}`, document: document as Record<string, unknown>, ...at(1) });
  });
  const { delivered, rejections } = await writeAll(sink, events);
  assert.deepEqual([delivered, rejections.length], [8, 32]);
  for (const { envelope, error } of rejections) {
    const sequence = events.indexOf(envelope.event);
    assert.ok(error.message.includes(kinds[sequence % kinds.length]?.[1] ?? '?'), `${sequence}: ${error.message}`);
    assert.doesNotMatch(`${error.message} ${error.hint}`, /SECRET/);
  }
});
