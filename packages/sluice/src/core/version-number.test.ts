import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, testRandom } from '../testing/random.ts';
import type { Version } from './change-event.ts';
import { compareClusterTime } from './cluster-time.ts';
import { versionNumber, versionNumberOfTime } from './version-number.ts';

const SECOND_OF_2020 = 1_577_836_800;
const SECOND_OF_2088 = 3_723_753_600;
const SNAPSHOT_ORDINAL = 2 ** 31 - 1;
const MAX_INT64 = 2n ** 63n - 1n;

function version(t: number, i = 1, ordinal = 0): Version {
  return { clusterTime: { t, i }, ordinal };
}

function compareVersions(a: Version, b: Version): number {
  return compareClusterTime(a.clusterTime, b.clusterTime) || a.ordinal - b.ordinal;
}

/** Numbers of times with and without an increment are only in order when their seconds differ. */
function areComparable(a: Version, b: Version): boolean {
  return a.clusterTime.t !== b.clusterTime.t || (a.clusterTime.i === 0) === (b.clusterTime.i === 0);
}

/** Neighbours and edges more often than chance would have them. */
function randomVersion(random: Random): Version {
  const t = random.pick([SECOND_OF_2020 + random.int(3), 1_795_238_840 + random.int(3), random.int(2 ** 32)]);
  const i = random.pick([random.int(4), 2 ** 20 - random.int(4), random.int(2 ** 20), random.int(2 ** 32)]);
  const offsets = i === 0 ? [5000 + random.int(3), 2 ** 32 - random.int(5), 2 ** 40 + random.int(3)] : [];
  const ordinals = [0, random.int(4), 4096 - random.int(5), random.int(2 ** 31), SNAPSHOT_ORDINAL, ...offsets];
  return version(t, i, random.pick(ordinals));
}

test('property: numbers order as their versions do, and only what is not exact ties', (t) => {
  const random = testRandom(t);
  let ties = 0;
  for (let round = 0; round < 100_000; round++) {
    const [a, b] = [randomVersion(random), randomVersion(random)];
    const [x, y] = [versionNumber(a), versionNumber(b)];
    const shown = `${JSON.stringify([a, b])} are ${x.value} and ${y.value}`;
    const order = areComparable(a, b) ? compareVersions(a, b) : 0;
    assert.ok(x.value >= 0n && x.value <= MAX_INT64, shown);
    assert.ok(order <= 0 || x.value >= y.value, shown);
    assert.ok(order >= 0 || x.value <= y.value, shown);
    if (order !== 0 && x.value === y.value) {
      assert.ok(!x.exact && !y.exact, shown);
      ties++;
    }
  }
  t.diagnostic(`${ties} ties`);
  assert.ok(ties > 100);
});

test('operations of one transaction and rows read at its time have numbers of their own', () => {
  const ordinals = [0, 1, 2, 4093, SNAPSHOT_ORDINAL];
  const numbers = ordinals.map((ordinal) => versionNumber(version(1_795_238_840, 7, ordinal)));
  assert.ok(numbers.every(({ exact }) => exact));
  assert.equal(new Set(numbers.map(({ value }) => value)).size, ordinals.length);
  assert.ok((numbers.at(-1)?.value ?? 0n) < versionNumber(version(1_795_238_840, 8)).value);
});

test('every second from 2020 to 2087 has exact numbers, which fit an int64', () => {
  assert.deepEqual(versionNumber(version(SECOND_OF_2020, 0)), { value: 1n << 32n, exact: true });
  const last = versionNumber(version(SECOND_OF_2088 - 1, 2 ** 20 - 2, SNAPSHOT_ORDINAL));
  assert.ok(last.exact && last.value < MAX_INT64);
});

test('property: messages that were relayed without a cluster time order by their offsets, each with a number of its own', (t) => {
  const random = testRandom(t);
  for (let round = 0; round < 20_000; round++) {
    const offset = random.pick([random.int(2 ** 32 - 2), 4090 + random.int(10), 2 ** 32 - 4 + random.int(2)]);
    const [older, newer] = [offset, offset + 1].map((ordinal) => versionNumber(version(1_795_238_840, 0, ordinal)));
    assert.ok(older?.exact && newer?.exact && older.value + 1n === newer.value, `offset ${offset}`);
  }
  const last = versionNumber(version(1_795_238_840, 0, 2 ** 32 - 2));
  assert.ok(last.exact && last.value < versionNumber(version(1_795_238_841, 0, 0)).value);
  assert.ok(last.value < versionNumber(version(1_795_238_841, 1, 0)).value);
});

test('what does not fit is not exact and has the nearest number', () => {
  const cases: readonly (readonly [Version, bigint])[] = [
    [version(0, 0), 0n],
    [version(SECOND_OF_2020 - 1, 5, 5), 0n],
    [version(SECOND_OF_2020, 2 ** 20 - 1), (1n << 32n) | 0xffff_ffffn],
    [version(SECOND_OF_2020, 2 ** 32 - 1), (1n << 32n) | 0xffff_ffffn],
    [version(SECOND_OF_2020, 1, 4094), (1n << 32n) | 8190n],
    [version(SECOND_OF_2020, 1, 2 ** 31 - 2), (1n << 32n) | 8190n],
    [version(SECOND_OF_2020, 0, 2 ** 32 - 1), (1n << 32n) | 0xffff_ffffn],
    [version(SECOND_OF_2020, 0, Number.MAX_SAFE_INTEGER), (1n << 32n) | 0xffff_ffffn],
    [version(2 ** 32 - 1, 1), MAX_INT64],
  ];
  for (const [inexact, value] of cases) assert.deepEqual(versionNumber(inexact), { value, exact: false });
});

test('the number of a time is not above that of anything that happened then', () => {
  const clusterTime = { t: 1_795_238_840, i: 3 };
  assert.equal(versionNumberOfTime(clusterTime), versionNumber({ clusterTime, ordinal: 0 }).value);
  assert.ok(versionNumberOfTime(clusterTime) > versionNumber(version(1_795_238_840, 2, SNAPSHOT_ORDINAL)).value);
  assert.equal(versionNumberOfTime({ t: 0, i: 0 }), 0n);
});
