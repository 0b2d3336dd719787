import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as b from '../../../bson/test-support/bson-bytes.ts';
import type { ChangeEvent } from '../../../core/change-event.ts';
import { testEvent } from '../../../testing/events.ts';
import { collapse, overExisting } from './collapse.ts';
import { DocumentKeys } from './document-key.ts';
import { TargetNames } from './name-template.ts';
import { rawEvent } from './raw-event-fixture.ts';

const document = (id: b.Value, n: number) => b.document(['_id', id], ['n', b.int32(n)]);
const key = (id: b.Value) => b.document(['_id', id]);
const change = b.document(['updatedFields', b.embedded(['a', b.int32(1)])]);
const one = b.int32(1);

const put = (sequence: number, id = one) => rawEvent({ op: 'update', after: document(id, sequence), sequence });
const row = (sequence: number) => rawEvent({ op: 'snapshot', after: document(one, sequence), sequence });
const remove = (sequence: number) => rawEvent({ op: 'delete', key: key(one), sequence });
const delta = (sequence: number, update = change) => rawEvent({ op: 'update', key: key(one), update, sequence });

function collapsed(events: readonly ChangeEvent[]) {
  const names = new TargetNames({ database: '{db}', collection: '{coll}' });
  const envelopes = events.map((event) => ({ event, namespace: event.namespace }));
  return collapse(envelopes, { names, keys: new DocumentKeys({ whole: false }) });
}

/** The kinds and cluster times of the steps of each document. */
function stepsOf(events: readonly ChangeEvent[]): readonly string[] {
  const plans = collapsed(events).collections.flatMap(({ keys }) => [...keys.values()]);
  return plans.map(({ steps, deleteFirst }) => {
    const texts = steps.map(({ kind, envelope }) => `${kind} ${envelope.event.version.clusterTime.i - 1}`);
    return `${deleteFirst ? 'delete first, ' : ''}${texts.join(', ')}`;
  });
}

const cases: readonly { readonly title: string; readonly events: readonly ChangeEvent[]; readonly steps: string }[] = [
  { title: 'the last whole document', events: [put(1), delta(2), put(3)], steps: 'replace 3' },
  {
    title: 'a whole document and the changes behind it',
    events: [put(1), delta(2), delta(3)],
    steps: 'replace 1, delta 2, delta 3',
  },
  { title: 'the changes alone', events: [delta(1), delta(2)], steps: 'delta 1, delta 2' },
  { title: 'a delete', events: [put(1), delta(2), remove(3)], steps: 'delete 3' },
  { title: 'a document behind a delete', events: [remove(1), put(2)], steps: 'replace 2' },
  { title: 'a row, which is inserted', events: [row(1)], steps: 'insert 1' },
  { title: 'a row behind a change, which replaces', events: [put(1), row(2)], steps: 'replace 2' },
  { title: 'a row and a change behind it', events: [row(1), delta(2)], steps: 'insert 1, delta 2' },
  {
    title: 'an equal number of another type',
    events: [remove(1), put(2, b.double(1))],
    steps: 'delete first, replace 2',
  },
  {
    title: 'an equal number of another type, changed once more',
    events: [put(1), put(2, b.int64(1n)), put(3, b.int64(1n))],
    steps: 'delete first, replace 3',
  },
  { title: 'no step for an update that changed nothing', events: [put(1), delta(2, b.document())], steps: 'replace 1' },
];

for (const { title, events, steps } of cases) {
  test(`of a document's events stays ${title}`, () => assert.deepEqual(stepsOf(events), [steps]));
}

test('documents are in the order of their last change', () => {
  const events = [put(1, b.int32(1)), put(2, b.int32(2)), put(3, b.int32(3)), put(4, b.int32(1))];
  assert.deepEqual(stepsOf(events), ['replace 2', 'replace 3', 'replace 4']);
});

test('collections of one name in the target are one, whatever they were', () => {
  const names = new TargetNames({ database: 'all', collection: 'docs' });
  const envelopes = ['a', 'b'].map((coll, sequence) => {
    const event = rawEvent({ op: 'insert', coll, after: document(one, sequence), sequence });
    return { event, namespace: event.namespace };
  });
  const { collections } = collapse(envelopes, { names, keys: new DocumentKeys({ whole: false }) });
  assert.deepEqual(
    collections.map(({ target, keys }) => [target.name, keys.size]),
    [['all.docs', 1]],
  );
});

test('events that cannot be applied are rejections, DDL is set apart', () => {
  const nothing = rawEvent({ op: 'update', key: key(one), sequence: 1 });
  const keyless = rawEvent({ op: 'delete', key: b.document(['other', one]), sequence: 2 });
  const damaged = rawEvent({ op: 'insert', after: Buffer.from(document(one, 1)), sequence: 3 });
  const { rejections, others, collections } = collapsed([nothing, keyless, damaged, testEvent({ op: 'drop' })]);
  assert.deepEqual(
    rejections.map(({ error }) => error.code),
    ['change-event.incomplete', 'change-event.incomplete'],
  );
  assert.deepEqual([others.length, collections.length], [1, 1]);
});

test('a document with a dollar name is inserted anew, never replaced', () => {
  const after = b.document(['_id', one], ['$set', one]);
  for (const [op, kind] of [
    ['update', 'recreate'],
    ['snapshot', 'insert'],
  ] as const) {
    const [plan] = [...(collapsed([rawEvent({ op, after, sequence: 1 })]).collections[0]?.keys.values() ?? [])];
    assert.ok(plan);
    assert.equal(plan.steps[0]?.kind, kind);
    assert.equal(overExisting(plan).steps[0]?.kind, 'recreate');
  }
});
