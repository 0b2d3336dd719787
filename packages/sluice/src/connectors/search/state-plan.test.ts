import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeEvent } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import { type TestEventInit, testEvent } from '../../testing/events.ts';
import { planStates, supersededBy } from './state-plan.ts';

const parts = {
  indexOf: ({ namespace: { db, coll } }: Envelope) => `${db}.${coll}`,
  missingDocument: 'reject',
} as const;

function planOf(events: readonly ChangeEvent[], missingDocument: 'reject' | 'skip' = 'reject') {
  const batch = events.map((event) => ({ event, namespace: event.namespace }));
  const { states, rejections, skipped } = planStates(batch, { ...parts, missingDocument });
  return {
    states: states.map(({ index, id, envelope, document }) => [
      index,
      id,
      Number(envelope.event.position.token),
      document === undefined ? 'gone' : 'there',
    ]),
    rejections: rejections.map(({ envelope, error }) => [Number(envelope.event.position.token), error.code]),
    skipped,
    superseded: states.map((state) => supersededBy(state).map(({ envelope }) => Number(envelope.event.position.token))),
  };
}

const event = (sequence: number, init: TestEventInit = {}) => testEvent({ sequence, ...init });
const without = (made: ChangeEvent, member: 'after' | 'key'): ChangeEvent => ({ ...made, [member]: () => undefined });

test('only the last state of each document is written, and the earlier ones are kept for when it is refused', () => {
  const events = [
    event(0, { id: 'a' }),
    event(1, { id: 'b' }),
    event(2, { id: 'a', op: 'update' }),
    event(3, { id: 'b', op: 'delete' }),
    event(4, { id: 'a', op: 'replace' }),
  ];
  const { states, superseded } = planOf(events);
  assert.deepEqual(states, [
    ['test.items', 'a', 4, 'there'],
    ['test.items', 'b', 3, 'gone'],
  ]);
  assert.deepEqual(superseded, [[0, 2], [1]]);
});

test('ids that MongoDB takes for the same are one document, in one index only', () => {
  const other = { db: 'test', coll: 'other' };
  const events = [
    event(0, { id: 1 }),
    event(1, { id: 1, namespace: other }),
    event(2, { id: '1' }),
    event(3, { id: 1 }),
  ];
  assert.deepEqual(planOf(events).states, [
    ['test.items', '~1', 3, 'there'],
    ['test.items', '1', 2, 'there'],
    ['test.other', '~1', 1, 'there'],
  ]);
});

test('an event that is older than one before it is left out', () => {
  const { states, rejections } = planOf([event(5, { id: 'a', op: 'delete' }), event(4, { id: 'a' })]);
  assert.deepEqual([states, rejections], [[['test.items', 'a', 5, 'gone']], []]);
});

test('of events that nothing tells apart the later one counts', () => {
  const at = (ordinal: number, token: string, op: 'insert' | 'delete') => {
    const made = event(1, { id: 'a', op });
    return { ...made, version: { ...made.version, ordinal }, position: { ...made.position, token } };
  };
  assert.deepEqual(
    planOf([at(0, '1', 'insert'), at(1, '2', 'delete'), at(1, '3', 'insert'), at(0, '4', 'delete')]).states,
    [['test.items', 'a', 3, 'there']],
  );
});

test('an update without its document is rejected or skipped as the configuration says, and the state before it stands', () => {
  const events = [event(0, { id: 'a' }), without(event(1, { id: 'a', op: 'update' }), 'after')];
  const expected = [['test.items', 'a', 0, 'there']];
  assert.deepEqual(planOf(events), {
    states: expected,
    rejections: [[1, 'search.no-document']],
    skipped: 0,
    superseded: [[]],
  });
  assert.deepEqual(planOf(events, 'skip'), { states: expected, rejections: [], skipped: 1, superseded: [[]] });
  assert.deepEqual(planOf([without(event(0), 'after')], 'skip').rejections, [[0, 'search.no-document']]);
});

test('an update whose document did not fit into the event is rejected, also where one that is gone is skipped', () => {
  const large = { ...without(event(1, { id: 'a', op: 'update' }), 'after'), degraded: 'images-dropped' } as const;
  for (const missingDocument of ['skip', 'reject'] as const) {
    const { rejections, skipped } = planOf([event(0, { id: 'a' }), large], missingDocument);
    assert.deepEqual([rejections, skipped], [[[1, 'search.document-dropped']], 0]);
  }
});

test('an event without a key is rejected, its neighbours are not', () => {
  const { states, rejections } = planOf([event(0), without(event(1), 'key'), event(2)]);
  assert.deepEqual([states.length, rejections], [2, [[1, 'change-event.incomplete']]]);
});
