import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Compares text with the file; with `SLUICE_UPDATE_GOLDEN=1` writes the file instead, for review like code. */
export function assertGolden(path: string, actual: string): void {
  if (process.env['SLUICE_UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, actual);
    return;
  }
  let expected: string;
  try {
    expected = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Error(`${path} is missing; write it with SLUICE_UPDATE_GOLDEN=1`, { cause });
  }
  assert.equal(actual, expected, `${path} is stale; look at the difference, then SLUICE_UPDATE_GOLDEN=1`);
}
