import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Moment, PinAge } from './pin-age.ts';

function ageAt(clock: { monotonicMs: number; wallMs: number }) {
  const now = (): Moment => ({ ...clock });
  return { age: new PinAge(1000, now), now };
}

function states({ isCertain, isOver }: PinAge): readonly boolean[] {
  return [isCertain, isOver];
}

test('nothing is certain before the server has answered, and what it answers counts from when it was asked', () => {
  const clock = { monotonicMs: 0, wallMs: 0 };
  const { age, now } = ageAt(clock);
  assert.deepEqual(states(age), [false, false]);
  const sent = now();
  clock.monotonicMs = 400;
  age.confirmed(sent);
  assert.deepEqual(states(age), [true, false]);
  clock.monotonicMs = 501;
  assert.deepEqual(states(age), [false, false]);
  age.confirmed({ monotonicMs: 450, wallMs: 0 });
  age.confirmed({ monotonicMs: 300, wallMs: 0 });
  assert.deepEqual(states(age), [true, false], 'a later answer to an earlier sign takes nothing away');
});

for (const clock of ['monotonicMs', 'wallMs'] as const) {
  test(`after the time-out by ${clock} it is over, whatever the server answers then`, () => {
    const clocks = { monotonicMs: 0, wallMs: 0 };
    const { age, now } = ageAt(clocks);
    age.confirmed(now());
    clocks[clock] = 1001;
    const sent = now();
    age.confirmed(sent);
    assert.deepEqual(states(age), [false, true]);
    clocks[clock] = 0;
    assert.deepEqual(states(age), [false, true]);
  });
}

test('a pin that is never confirmed is over too', () => {
  const clock = { monotonicMs: 0, wallMs: 0 };
  const { age } = ageAt(clock);
  clock.monotonicMs = 1001;
  assert.deepEqual(states(age), [false, true]);
});
