/** Pseudo-random numbers that come back with the same seed. Not for secrets. */
export interface Random {
  readonly seed: number;
  /** From 0 (inclusive) to 1 (exclusive). */
  next(): number;
  /** A whole number from 0 to `below - 1`. */
  int(below: number): number;
  /** One of the items; the list must not be empty. */
  pick<T>(items: readonly T[]): T;
  /** True with this probability. */
  chance(probability: number): boolean;
  /** `length` letters and digits. */
  text(length: number): string;
  /** Another generator that depends only on this one's seed and the number. */
  fork(number: number): Random;
}

/** Where a test tells its seed; node's `TestContext` fits. */
export interface SeedReporter {
  diagnostic(message: string): void;
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const GOLDEN_RATIO = 0x9e3779b9;

/** A generator for this seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (below: number) => Math.floor(next() * below);
  return {
    seed,
    next,
    int,
    pick<T>(items: readonly T[]) {
      if (items.length === 0) throw new Error('nothing to pick from');
      return items[int(items.length)] as T;
    },
    chance: (probability) => next() < probability,
    text: (length) => Array.from({ length }, () => ALPHABET[int(ALPHABET.length)]).join(''),
    fork: (number) =>
      seededRandom((Math.imul(seed ^ GOLDEN_RATIO, 0x85ebca6b) + Math.imul(number + 1, 0xc2b2ae35)) >>> 0),
  };
}

/** A generator with a new seed, or that of `SLUICE_TEST_SEED`, which the test prints so that a run can be repeated. */
export function testRandom(reporter: SeedReporter): Random {
  const given = process.env['SLUICE_TEST_SEED'];
  const seed = given === undefined || given === '' ? Math.floor(Math.random() * 2 ** 32) : Number(given);
  reporter.diagnostic(`seed: SLUICE_TEST_SEED=${seed}`);
  return seededRandom(seed);
}
