/** Bounds of the wait between attempts. */
export interface BackoffSettings {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Wait before attempt `failures + 1`, in ms: doubles per failure up to the cap, then "equal jitter" (half fixed, half
 * random), so that many pipelines that failed together do not come back together and none comes back at once.
 */
export function backoffMs(failures: number, settings: BackoffSettings, random: () => number = Math.random): number {
  const exponent = Math.min(Math.max(failures - 1, 0), 30);
  const ceiling = Math.min(settings.maxMs, settings.minMs * 2 ** exponent);
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}
