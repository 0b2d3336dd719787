import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasWork, type Listed, planCancel, planOnDemand, planRecovery, planStart, type Situation } from './plan.ts';
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

test('with a query all changes pass: no row has the effect of those of documents that it leaves out', () => {
  const state = planStart(situation({ matchOf: () => '{"a":1}' }));
  assert.deepEqual(
    [...(state.run?.collections.values() ?? [])].map(({ mode }) => mode),
    ['pass', 'pass'],
  );
});

test('a query that was corrected in the configuration holds for a copy that had begun', () => {
  const begun = planStart(situation({ matchOf: () => '{"$foo":1}' }));
  const matchOf = (namespace: string) => (namespace === 'shop.users' ? '{"a":1}' : undefined);
  const resumed = planStart(situation({ resumed: 'same-selection', state: begun, matchOf }));
  const copies = [...(resumed.run?.collections.values() ?? [])];
  assert.deepEqual(
    copies.map(({ match, mode }) => [match, mode]),
    [
      [undefined, 'pass'],
      ['{"a":1}', 'pass'],
    ],
  );
  const asked = planOnDemand(situation({ state: covered('orders', 'users'), matchOf: () => '{"b":1}' }));
  assert.equal(planStart(situation({ resumed: 'same-selection', state: asked })), asked, 'what was asked for stays');
});

test('what joins a paused run is copied all the same', () => {
  const asked = planOnDemand(situation({ state: covered('orders'), collections: [listed('orders')] }));
  const { run } = asked;
  assert.ok(run);
  const paused = changeState(asked, { run: { ...run, paused: true } });
  const grown = planStart(situation({ resumed: 'other-selection', state: paused }));
  assert.equal(grown.run?.paused, false);
  assert.deepEqual(names(grown), ['shop.orders', 'shop.users']);
  const { state, gap } = planCancel(grown, { t: 9, i: 1 }, 9_000);
  assert.deepEqual([names(state), state.run?.reason, gap], [['shop.users'], 'new-collections', undefined]);
});

test('giving up a copy that held changes back leaves a gap, and it is not begun again', () => {
  const { state, gap } = planCancel(planStart(situation()), { t: 9, i: 1 }, 9_000);
  assert.deepEqual(gap, { from: { t: 5, i: 0 }, to: { t: 9, i: 1 }, atMs: 9_000 });
  assert.equal(state.gap, gap);
  assert.equal(planStart(situation({ resumed: 'same-selection', state })), state);
  const asked = planCancel(planOnDemand(situation()), { t: 9, i: 1 }, 9_000);
  assert.deepEqual([asked.gap, asked.state.run], [undefined, undefined], 'nothing was held back');
  const never = planStart(situation({ mode: 'never', resumed: 'same-selection', state: planStart(situation()) }));
  assert.deepEqual(never.gap, { from: { t: 5, i: 0 }, to: { t: 5, i: 1 }, atMs: 5_000 });
});

test('never ends an automatic copy and forgets what another selection leaves out, at once', () => {
  const begun = planStart(situation());
  const state = planStart(
    situation({ mode: 'never', resumed: 'other-selection', state: begun, collections: [listed('users')] }),
  );
  assert.deepEqual([state.run, [...state.covered.keys()]], [undefined, ['shop.users']]);
  assert.ok(state.gap);
});
