import { createHash } from 'node:crypto';

/** PostgreSQL cuts longer names off without a word (`NAMEDATALEN - 1`, in bytes of UTF-8). */
export const MOST_NAME_BYTES = 63;
const HASH_DIGITS = 8;

/**
 * The text as a name in PostgreSQL, to be written in double quotes: its case and its characters are kept. One longer
 * than 63 bytes is cut between characters and ends with `_` and eight digits of its hash, so that names that begin
 * alike stay apart. Where `taken` says that there is one of that name, `_2`, `_3` … is added. The same text gives the
 * same name as long as `taken` answers the same.
 */
export function identifier(text: string, taken?: (name: string) => boolean): string {
  // Neither can be in a name: NUL ends it for the server, and half of a surrogate pair has no UTF-8.
  const name = text.replaceAll('\0', '').toWellFormed() || '_';
  let candidate = fitted(name, '');
  for (let number = 2; taken?.(candidate) === true; number++) candidate = fitted(name, `_${number}`);
  return candidate;
}

function fitted(name: string, suffix: string): string {
  if (Buffer.byteLength(name) + suffix.length <= MOST_NAME_BYTES) return name + suffix;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_DIGITS);
  const end = `_${hash}${suffix}`;
  return firstBytes(name, MOST_NAME_BYTES - end.length) + end;
}

/** As many whole characters as fit into that many bytes. */
function firstBytes(text: string, most: number): string {
  let bytes = 0;
  let result = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > most) break;
    result += character;
  }
  return result;
}
