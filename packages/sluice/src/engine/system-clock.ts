import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';

/** The monotonic clock of the system: setting the date does not move it. It stands still while the machine sleeps. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
};
