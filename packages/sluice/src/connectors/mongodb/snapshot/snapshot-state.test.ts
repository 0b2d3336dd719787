import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BsonValue } from '../../../core/change-event.ts';
import {
  asSourceState,
  type CollectionCopy,
  changeCopy,
  changeState,
  EMPTY_COPY,
  isCopied,
  NO_SNAPSHOTS,
  parseState,
  type SnapshotState,
} from './snapshot-state.ts';
import { formsOf, KEY_COUNT } from './test-support/model-keys.ts';

const keyAt = (index: number) => formsOf(index)[0]?.value as BsonValue;

const orders: CollectionCopy = {
  namespace: { db: 'shop', coll: 'orders.2026' },
  uuid: 'AAECAwQFBgcICQoLDA0ODw==',
  mode: 'hold',
  collation: '{"locale":"de"}',
  clustered: true,
  match: '{"status":"open"}',
  remaining: [
    { after: undefined, through: keyAt(3) },
    { after: keyAt(9), through: undefined },
  ],
  rows: 12,
  bytes: 3400,
  estimatedRows: 99,
};

const users: CollectionCopy = { ...EMPTY_COPY, namespace: { db: 'shop', coll: 'users' }, mode: 'pass' };

const full: SnapshotState = {
  revision: 17,
  covered: new Map([
    ['shop.customers', 'EBESExQVFhcYGRobHB0eHw=='],
    ['shop.__proto__', ''],
  ]),
  run: {
    reason: 'position-lost',
    startedAtMs: 1_795_238_840_886,
    since: { t: 1_795_238_840, i: 3 },
    paused: true,
    collections: new Map([
      ['shop.orders.2026', orders],
      ['shop.users', users],
    ]),
  },
  losses: 2,
  gap: { from: { t: 5, i: 6 }, to: { t: 7, i: 8 }, atMs: 9 },
};

/** As it comes back from a checkpoint. */
function restored(state: SnapshotState): SnapshotState {
  const { revision, text } = asSourceState(state);
  return parseState({ revision, text });
}

/** What the first version writes. */
const GOLDEN =
  '{"v":1,"covered":{"shop.customers":"EBESExQVFhcYGRobHB0eHw==","shop.__proto__":""},' +
  '"run":{"reason":"position-lost","startedAtMs":1795238840886,"since":[1795238840,3],"paused":true,"collections":[' +
  '{"db":"shop","coll":"orders.2026","uuid":"AAECAwQFBgcICQoLDA0ODw==","mode":"hold","collation":"{\\"locale\\":\\"de\\"}",' +
  '"clustered":true,"match":"{\\"status\\":\\"open\\"}","ranges":[[null,"EPn___8"],["AgEAAAAA",null]],' +
  '"rows":12,"bytes":3400,"estimatedRows":99},' +
  '{"db":"shop","coll":"users","mode":"pass","clustered":false,"rows":0,"bytes":0}]},' +
  '"losses":2,"gap":[5,6,7,8,9]}';

test('the text is stable: checkpoints of this version must be read by later ones', () => {
  assert.equal(asSourceState(full).text, GOLDEN);
  assert.deepEqual(parseState({ revision: 17, text: GOLDEN }), full);
});

test('a state comes back as it was', () => {
  assert.deepEqual(restored(full), full);
  const { run } = full;
  for (const state of [
    { ...full, run: undefined, losses: 0, gap: undefined },
    { ...full, run: run && { ...run, collections: new Map() } },
    changeCopy(full, 'shop.users', { ...users, remaining: [] }),
    changeCopy(full, 'shop.users', { ...users, remaining: [{ after: undefined, through: undefined }] }),
  ]) {
    assert.deepEqual(restored(state), state);
  }
});

test('bounds of every type come back byte for byte', () => {
  const bounds = Array.from({ length: KEY_COUNT }, (_, key) => formsOf(key).map(({ value }) => value)).flat();
  const remaining = bounds.map((after, index) => ({ after, through: bounds[index + 1] }));
  const copy = restored(changeCopy(full, 'shop.users', { ...users, remaining })).run?.collections.get('shop.users');
  assert.ok(copy?.remaining !== undefined);
  for (const [index, { after, through }] of copy.remaining.entries()) {
    for (const [value, expected] of [
      [after, bounds[index]],
      [through, bounds[index + 1]],
    ] as const) {
      assert.equal(value?.type, expected?.type);
      assert.deepEqual(value && Buffer.from(value.bytes), expected && Buffer.from(expected.bytes));
    }
  }
});

test('without a text nothing is known', () => {
  assert.equal(parseState(undefined), NO_SNAPSHOTS);
  assert.deepEqual(parseState({ revision: 3, text: '{"v":1,"covered":{}}' }), { ...NO_SNAPSHOTS, revision: 3 });
});

test('a newer format is refused with advice', () => {
  const text = GOLDEN.replace('"v":1', '"v":2');
  assert.throws(() => parseState({ revision: 17, text }), {
    kind: 'config',
    code: 'checkpoint.newer-format',
    message: 'the progress of the snapshot was written by a newer version (format 2)',
  });
});

test('the text is only made when it is asked for, and once', () => {
  let made = 0;
  const covered = new Map<string, string>();
  const counting: SnapshotState = {
    ...NO_SNAPSHOTS,
    get covered() {
      made += 1;
      return covered;
    },
  };
  const source = asSourceState(counting);
  assert.equal(made, 0);
  assert.equal(source.text, source.text);
  assert.equal(made, 1);
});

test('every change is a later revision, and the state before it stays as it was', () => {
  const paused = changeState(full, { losses: 0 });
  assert.equal(paused.revision, 18);
  assert.equal(full.losses, 2);
  const removed = changeCopy(full, 'shop.users', undefined);
  assert.deepEqual([...(removed.run?.collections.keys() ?? [])], ['shop.orders.2026']);
  assert.equal(full.run?.collections.size, 2);
  assert.equal(changeCopy(NO_SNAPSHOTS, 'shop.users', users), NO_SNAPSHOTS);
});

test('a collection is copied when nothing of it remains, not before it is cut into ranges', () => {
  assert.equal(isCopied(orders), false);
  assert.equal(isCopied(users), false);
  assert.equal(isCopied({ ...users, remaining: [] }), true);
});
