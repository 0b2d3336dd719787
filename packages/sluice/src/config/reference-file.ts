import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const MAX_BYTES = 64 * 1024;

/** Reads the files that references of a configuration name; relative paths start at its directory. */
export function fileReader(configFile: string): (path: string) => string {
  return (path) => {
    const bytes = readFileSync(resolve(dirname(configFile), path));
    if (bytes.length > MAX_BYTES) throw new Error('larger than 64 KiB');
    return bytes.toString('utf8');
  };
}
