import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasWork, type Listed, planOnDemand, planRecovery, planStart, type Situation } from './plan.ts';
import { changeState, NO_SNAPSHOTS, type SnapshotState } from './snapshot-state.ts';

const listed = (coll: string, extra: Partial<Listed> = {}): Listed => ({
  db: 'shop',
  coll,
  uuid: `uuid-${coll}`,
  collation: undefined,
  kind: 'ordinary',
  estimatedRows: 10,
  ...extra,
});

function situation(overrides: Partial<Situation> = {}): Situation {
  return {
    mode: 'initial',
    state: NO_SNAPSHOTS,
    resumed: 'not',
    collections: [listed('orders'), listed('users')],
    matchOf: () => undefined,
    now: { t: 5, i: 1 },
    nowMs: 5_000,
    ...overrides,
  };
}

const names = (state: SnapshotState) => [...(state.run?.collections.keys() ?? [])];
const covered = (...colls: string[]) =>
  changeState(NO_SNAPSHOTS, { covered: new Map(colls.map((coll) => [`shop.${coll}`, `uuid-${coll}`])) });

test('a new pipeline copies everything, holding changes back', () => {
  const matchOf = (namespace: string) => (namespace === 'shop.users' ? '{"a":1}' : undefined);
  const collections = [listed('orders', { collation: { locale: 'en' } }), listed('users', { kind: 'clustered' })];
  const state = planStart(situation({ matchOf, collections }));
  assert.equal(state.run?.reason, 'initial');
  assert.deepEqual(state.run?.since, { t: 5, i: 0 }, 'the first rows may be read at the time before the position');
  const [orders, users] = [...(state.run?.collections.values() ?? [])];
  assert.equal(orders?.mode, 'hold');
  assert.equal(orders?.collation, '{"locale":"en"}');
  assert.deepEqual([orders?.match, users?.match], [undefined, '{"a":1}']);
  assert.deepEqual([orders?.clustered, users?.clustered], [false, true]);
  assert.equal(planStart(situation({ mode: 'only' })).run?.reason, 'initial');
  assert.ok(hasWork(state.run));
});

test('never copies nothing and leaves no trace', () => {
  assert.equal(planStart(situation({ mode: 'never' })), NO_SNAPSHOTS);
  assert.equal(planStart(situation({ mode: 'never', resumed: 'other-selection' })), NO_SNAPSHOTS);
});

test('a checkpoint from before snapshots: nothing is copied, and what there is counts as known', () => {
  for (const resumed of ['same-selection', 'other-selection'] as const) {
    const state = planStart(situation({ resumed }));
    assert.equal(state.run, undefined);
    assert.deepEqual([...state.covered.keys()], ['shop.orders', 'shop.users']);
  }
});

test('with the same selection an unknown collection was born in the stream', () => {
  const state = planStart(situation({ resumed: 'same-selection', state: covered('orders') }));
  assert.equal(state.run, undefined);
  assert.deepEqual([...state.covered.keys()], ['shop.orders', 'shop.users']);
  const known = covered('orders', 'users');
  assert.equal(planStart(situation({ resumed: 'same-selection', state: known })), known, 'nothing changes');
});

test('with another selection unknown collections are copied, alone', () => {
  const state = planStart(situation({ resumed: 'other-selection', state: covered('orders') }));
  assert.equal(state.run?.reason, 'new-collections');
  assert.deepEqual(names(state), ['shop.users']);
  assert.ok(state.covered.has('shop.orders'));
});

test('what a selection leaves out is forgotten, so that it is copied when it comes back', () => {
  const gone = planStart(
    situation({ resumed: 'other-selection', state: covered('orders', 'users'), collections: [listed('orders')] }),
  );
  assert.deepEqual([...gone.covered.keys()], ['shop.orders']);
  const back = planStart(situation({ resumed: 'other-selection', state: gone }));
  assert.deepEqual(names(back), ['shop.users']);
});

test('an unfinished copy goes on; a grown selection adds to it', () => {
  const begun = planStart(situation({ collections: [listed('orders')] }));
  assert.equal(
    planStart(situation({ resumed: 'same-selection', state: begun, collections: [listed('orders')] })),
    begun,
  );
  const grown = planStart(situation({ resumed: 'other-selection', state: begun }));
  assert.deepEqual(names(grown), ['shop.orders', 'shop.users']);
  assert.equal(grown.run?.reason, 'initial');
});

test('never ends an automatic copy, not one that was asked for', () => {
  const begun = planStart(situation());
  assert.equal(planStart(situation({ mode: 'never', resumed: 'same-selection', state: begun })).run, undefined);
  const asked = planOnDemand(situation({ mode: 'never', state: covered('orders', 'users') }));
  assert.equal(asked.run?.reason, 'on-demand');
  assert.ok(planStart(situation({ mode: 'never', resumed: 'same-selection', state: asked })).run);
});

test('after a loss everything is copied while changes pass, and losses are counted', () => {
  const state = planRecovery(situation({ state: covered('orders') }));
  assert.equal(state.run?.reason, 'position-lost');
  assert.deepEqual(
    [...(state.run?.collections.values() ?? [])].map(({ mode }) => mode),
    ['pass', 'pass'],
  );
  assert.equal(state.covered.size, 0);
  assert.equal(planRecovery(situation({ state })).losses, 2);
});
