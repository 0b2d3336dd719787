import type { BsonValue } from '../core/change-event.ts';
import { SluiceError } from '../core/failure.ts';
import { compareBson } from './compare.ts';

const ENCODING = 'base64url';

/** The value as a short ASCII text that `decodeValue` reads: its type byte and its bytes in base64url. */
export function encodeValue({ type, bytes }: BsonValue): string {
  const all = Buffer.allocUnsafe(bytes.length + 1);
  all[0] = type;
  all.set(bytes, 1);
  return all.toString(ENCODING);
}

/** The value in a text of `encodeValue`. Throws `config` when it is not such a text of a well-formed BSON value. */
export function decodeValue(text: string): BsonValue {
  const all = Buffer.from(text, ENCODING);
  // Decoding passes over what is no base64.
  if (all.length === 0 || all.toString(ENCODING) !== text) throw notAValue();
  const value: BsonValue = { type: all[0]!, bytes: all.subarray(1) };
  try {
    // Two equal values are walked to their ends, so this finds whatever is broken.
    compareBson(value, value);
  } catch (cause) {
    throw notAValue(cause);
  }
  return value;
}

function notAValue(cause?: unknown): SluiceError {
  return new SluiceError('a text that should hold a BSON value does not', {
    kind: 'config',
    code: 'bson.bad-value-text',
    hint: 'It was changed or cut off: restore what holds it, such as a checkpoint, from a backup, or remove it.',
    cause,
  });
}
