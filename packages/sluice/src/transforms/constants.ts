import { EJSON, serialize } from 'bson';
import { findField } from '../bson/elements.ts';
import type { BsonValue } from '../core/change-event.ts';
import { TransformProblem } from './problem.ts';

/** Extended JSON for the types that YAML does not have. */
const EXTENDED = new Set([
  '$oid',
  '$date',
  '$numberInt',
  '$numberLong',
  '$numberDouble',
  '$numberDecimal',
  '$binary',
  '$uuid',
  '$timestamp',
  '$regularExpression',
  '$minKey',
  '$maxKey',
  '$symbol',
  '$code',
  '$undefined',
]);

/** True for a mapping that is one value written in Extended JSON, such as `{ $oid: … }`. */
export function isExtended(value: unknown): boolean {
  if (!isMapping(value)) return false;
  const keys = Object.keys(value);
  return keys.length > 0 && keys.length <= 2 && EXTENDED.has(keys[0] as string);
}

/** A mapping of the configuration. */
export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value of the configuration as BSON: whole numbers are int32 or int64, others doubles, Extended JSON the type it names. */
export function constant(value: unknown): BsonValue {
  const found = findField(serialize({ v: decoded(value) }, { ignoreUndefined: false }), 'v');
  if (found === undefined) throw new TransformProblem('this value cannot be written in BSON');
  return found;
}

function decoded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decoded);
  if (isExtended(value)) return fromExtended(value as object);
  if (isMapping(value)) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decoded(inner)]));
  return typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0)
    ? EJSON.deserialize(
        { v: { [Math.abs(value) < 2 ** 31 ? '$numberInt' : '$numberLong']: String(value) } },
        { relaxed: false },
      )['v']
    : value;
}

function fromExtended(value: object): unknown {
  try {
    const read: unknown = EJSON.deserialize({ v: value }, { relaxed: false })['v'];
    if (!isExtended(read)) return read;
  } catch {
    // Said below.
  }
  throw new TransformProblem(
    `${Object.keys(value)[0]} does not hold a value of that type`,
    'write it as Extended JSON does, such as { $oid: "…24 hex digits" } or { $date: "2026-01-31T00:00:00Z" }',
  );
}
