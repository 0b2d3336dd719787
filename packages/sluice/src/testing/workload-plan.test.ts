import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyLocks } from './key-locks.ts';
import { seededRandom } from './random.ts';
import { DEFAULT_MIX, drawKeys, drawKind, planWrite } from './workload-plan.ts';

const plan = (kind: Parameters<typeof planWrite>[0], ...alive: boolean[]) =>
  planWrite(
    kind,
    alive.map((state, key) => ({ key, alive: state })),
    seededRandom(1),
  );

test('kinds are drawn by their shares, and those left out never', () => {
  const random = seededRandom(2);
  const drawn = Array.from({ length: 3000 }, () => drawKind({ update: 3, delete: 1, replace: 0 }, random));
  const updates = drawn.filter((kind) => kind === 'update').length;
  assert.ok(updates > 2100 && updates < 2400, `${updates} of 3000`);
  assert.deepEqual([...new Set(drawn)].sort(), ['delete', 'update']);
  assert.throws(() => drawKind({}, random), /no kind/);
  assert.equal(typeof drawKind(DEFAULT_MIX, random), 'string');
});

test('a transaction gets two or three different keys, everything else one', () => {
  const random = seededRandom(3);
  for (let i = 0; i < 200; i++) {
    const keys = drawKeys('transaction', 5, random);
    assert.ok(keys.length >= 2 && keys.length <= 3 && new Set(keys).size === keys.length);
    assert.equal(drawKeys('update', 5, random).length, 1);
  }
  assert.deepEqual(drawKeys('transaction', 1, random), [0]);
});

test('a key without a document is inserted, whatever was drawn', () => {
  for (const kind of ['update', 'replace', 'delete', 'reinsert'] as const) {
    assert.deepEqual(plan(kind, false).changes, [{ key: 0, op: 'insert' }]);
  }
  assert.ok(plan('transaction', false, false).changes.every(({ op }) => op === 'insert'));
});

test('re-insertion and double updates touch one key twice', () => {
  assert.deepEqual(plan('reinsert', true), {
    kind: 'reinsert',
    changes: [
      { key: 0, op: 'delete' },
      { key: 0, op: 'insert' },
    ],
    inTransaction: false,
  });
  const double = plan('double-update', true);
  assert.deepEqual([double.inTransaction, double.changes.map(({ op }) => op)], [true, ['update', 'update']]);
  assert.deepEqual(
    plan('double-update', false).changes.map(({ op }) => op),
    ['insert', 'update'],
  );
});

test('one holder at a time works on a key, and overlapping holders do not block each other for ever', async () => {
  const locks = new KeyLocks();
  const random = seededRandom(4);
  const busy = new Set<number>();
  const work = async () => {
    const keys = drawKeys('transaction', 4, random);
    await locks.hold(keys.toReversed(), async () => {
      for (const key of keys) {
        assert.ok(!busy.has(key));
        busy.add(key);
      }
      await new Promise((resolve) => setImmediate(resolve));
      for (const key of keys) busy.delete(key);
    });
  };
  await Promise.all(Array.from({ length: 200 }, work));
  await assert.rejects(
    locks.hold([1], () => Promise.reject(new Error('failed'))),
    /failed/,
  );
  await locks.hold([1], async () => undefined);
});
