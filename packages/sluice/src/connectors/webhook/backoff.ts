/** Bounds of a wait, in ms. */
export interface WaitBounds {
  readonly min: number;
  readonly max: number;
}

/**
 * Wait after the n-th failure in a row, in ms: doubles per failure up to the cap; half of it is random, so that lanes and
 * pipelines that failed together do not come back together.
 */
export function waitAfter(failures: number, { min, max }: WaitBounds, random: () => number = Math.random): number {
  const ceiling = Math.min(max, min * 2 ** Math.min(Math.max(failures - 1, 0), 30));
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}
