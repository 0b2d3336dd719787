import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MembershipAge, type Moment } from './membership-age.ts';

const START: Moment = { monotonicMs: 1000, wallMs: 1_700_000_000_000 };

/** The clocks, both moved on, or only one of them. */
function clocks() {
  let now = START;
  return {
    now: () => now,
    pass: (monotonicMs: number, wallMs = monotonicMs) => {
      now = { monotonicMs: now.monotonicMs + monotonicMs, wallMs: now.wallMs + wallMs };
    },
  };
}

test('before the first answer nothing is certain', () => {
  assert.equal(new MembershipAge().isCertain, false);
});

for (const [intervalMs, sessionMs, certainMs] of [
  [5000, 45_000, 12_500],
  [15_000, 45_000, 37_500],
  [1000, 6000, 2500],
  [200, 2000, 1500],
] as const) {
  test(`heartbeats every ${intervalMs} ms: certain for ${certainMs} ms of a session of ${sessionMs} ms`, () => {
    const { now, pass } = clocks();
    const age = new MembershipAge(now);
    age.confirmed(now(), intervalMs);
    pass(certainMs);
    assert.equal(age.isCertain, true);
    pass(1);
    assert.equal(age.isCertain, false);
    assert.ok(certainMs < sessionMs);
  });
}

test('it counts from when the heartbeat was sent, however late the answer was read', () => {
  const { now, pass } = clocks();
  const age = new MembershipAge(now);
  const sent = now();
  pass(60_000);
  age.confirmed(sent, 1000);
  assert.equal(age.isCertain, false);
});

test('time counts that passes on one clock only, and a clock set back hides none', () => {
  for (const [monotonicMs, wallMs] of [
    [0, 60_000],
    [60_000, -3_600_000],
  ] as const) {
    const { now, pass } = clocks();
    const age = new MembershipAge(now);
    age.confirmed(now(), 1000);
    pass(monotonicMs, wallMs);
    assert.equal(age.isCertain, false);
  }
});

test('what is forgotten has to be confirmed again', () => {
  const { now } = clocks();
  const age = new MembershipAge(now);
  age.confirmed(now(), 1000);
  age.forget();
  assert.equal(age.isCertain, false);
  age.confirmed(now(), 1000);
  assert.equal(age.isCertain, true);
});
