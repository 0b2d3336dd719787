import { z } from 'zod';
import { Secret } from './secret.ts';
import { BYTES_PATTERN, DURATION_PATTERN, formatBytes, formatDuration, parseBytes, parseDuration } from './units.ts';

/**
 * What a scalar means beyond its JSON type; kept as metadata of the schema under `SCALAR_KIND`. The loader uses it to
 * refuse literal secrets, to resolve paths against the configuration file and to print values the way they are written.
 */
export type ScalarKind = 'duration' | 'bytes' | 'secret' | 'uri' | 'path' | 'address';

/** Name of the metadata entry that holds the `ScalarKind`. */
export const SCALAR_KIND = 'x-sluice-kind';

/** Limits of a duration or a size, written like the value itself. */
export interface ScalarLimits {
  readonly min?: string;
  readonly max?: string;
}

/** The longest a Node timer can wait is 2^31 - 1 ms; a longer one would fire at once. */
const LONGEST_DURATION = '24d';
const LARGEST_SIZE = '1024GiB';

function requiredDuration(limits: ScalarLimits) {
  const min = limitOf(limits.min ?? '0ms', parseDuration);
  const max = limitOf(limits.max ?? LONGEST_DURATION, parseDuration);
  return z
    .string({ error: ({ input }) => notText(input, 'a duration', ['s', 'ms']) })
    .regex(DURATION_PATTERN, { error: ({ input }) => malformed(input, 'a duration', '"100ms", "5s", "1m", "2h"') })
    .transform((text, context) => {
      const ms = parseDuration(text) ?? Number.NaN;
      if (ms >= min && ms <= max) return ms;
      context.addIssue({ code: 'custom', message: outside(text, formatDuration(min), formatDuration(max)) });
      return z.NEVER;
    })
    .meta({ [SCALAR_KIND]: 'duration' satisfies ScalarKind });
}

function requiredByteSize(limits: ScalarLimits) {
  const min = limitOf(limits.min ?? '0B', parseBytes);
  const max = limitOf(limits.max ?? LARGEST_SIZE, parseBytes);
  return z
    .string({ error: ({ input }) => notText(input, 'a size', ['B', 'MiB']) })
    .regex(BYTES_PATTERN, { error: ({ input }) => malformed(input, 'a size', '"512B", "64KiB", "16MiB", "1GiB"') })
    .transform((text, context) => {
      const bytes = parseBytes(text) ?? Number.NaN;
      if (bytes >= min && bytes <= max) return bytes;
      context.addIssue({ code: 'custom', message: outside(text, formatBytes(min), formatBytes(max)) });
      return z.NEVER;
    })
    .meta({ [SCALAR_KIND]: 'bytes' satisfies ScalarKind });
}

type DurationSchema = ReturnType<typeof requiredDuration>;
type ByteSizeSchema = ReturnType<typeof requiredByteSize>;

/**
 * A duration with its unit (`"100ms"`, `"5s"`, `"1m"`, `"2h"`, `"1d"`); milliseconds after parsing. A bare number is an
 * error that names both readings. Limits are inclusive; without `max` it is what a timer can wait (24 days).
 */
export function duration(defaultText: string, limits?: ScalarLimits): z.ZodPrefault<DurationSchema>;
export function duration(defaultText?: undefined, limits?: ScalarLimits): DurationSchema;
export function duration(defaultText?: string, limits: ScalarLimits = {}) {
  const schema = requiredDuration(limits);
  return defaultText === undefined ? schema : schema.prefault(defaultText);
}

/** A size with its unit (`"512B"`, `"64MiB"`, `"1GB"`); bytes after parsing. Otherwise as `duration`. */
export function byteSize(defaultText: string, limits?: ScalarLimits): z.ZodPrefault<ByteSizeSchema>;
export function byteSize(defaultText?: undefined, limits?: ScalarLimits): ByteSizeSchema;
export function byteSize(defaultText?: string, limits: ScalarLimits = {}) {
  const schema = requiredByteSize(limits);
  return defaultText === undefined ? schema : schema.prefault(defaultText);
}

/** A password, token or key; a `Secret` after parsing. In a file it must be written as a reference, never as text. */
export function secretString() {
  return z
    .string({ error: 'must be text from ${env:NAME} or ${file:path}' })
    .min(1, 'must not be empty')
    .transform((text) => new Secret(text))
    .meta({ [SCALAR_KIND]: 'secret' satisfies ScalarKind });
}

/**
 * A connection string of one of the schemes (`['mongodb', 'mongodb+srv']`); a `Secret` after parsing, because it may
 * carry a password. Literal text is fine as long as its password is a reference.
 */
export function secretUri(schemes: readonly string[]) {
  const expected = schemes.map((scheme) => `${scheme}://`);
  return z
    .string({ error: `must be text that starts with ${expected.join(' or ')}` })
    .refine((text) => expected.some((start) => text.startsWith(start)), `must start with ${expected.join(' or ')}`)
    .refine(hasEncodedUserInfo, 'must have @ : / in the user name and password percent-encoded: %40 %3A %2F')
    .transform((text) => new Secret(text))
    .meta({ [SCALAR_KIND]: 'uri' satisfies ScalarKind });
}

/**
 * False when the part before the last `@` of the authority cannot be `user:password`. A client would take what follows
 * an unescaped `@` for a host, and show that piece of the password in its errors.
 */
function hasEncodedUserInfo(text: string): boolean {
  const [authority = ''] = text.replace(/^[^:]*:\/\//, '').split('?');
  const userInfo = authority.slice(0, Math.max(0, authority.lastIndexOf('@')));
  return /^[^@/:]*(:[^@/:]*)?$/.test(userInfo);
}

/** A path; relative ones are taken from the directory of the configuration file. */
export function filePath() {
  return z
    .string({ error: 'must be a path' })
    .min(1, 'must not be empty')
    .refine((text) => !text.includes('\0'), 'must not contain a NUL character')
    .meta({ [SCALAR_KIND]: 'path' satisfies ScalarKind });
}

/** A whole number between the two (inclusive); NaN, fractions, infinities and numbers in quotes are errors. */
export function wholeNumber(min: number, max: number) {
  return z
    .number({ error: `must be a whole number from ${min} to ${max}` })
    .refine(
      (value) => Number.isSafeInteger(value) && value >= min && value <= max,
      `must be a whole number from ${min} to ${max}`,
    )
    .meta({ type: 'integer', minimum: min, maximum: max });
}

function limitOf(text: string, parse: (text: string) => number | undefined): number {
  const value = parse(text);
  if (value === undefined) throw new RangeError(`not a limit: ${text}`);
  return value;
}

function notText(input: unknown, what: string, units: readonly [string, string]): string {
  if (typeof input !== 'number') return `must be ${what} with its unit, such as "5${units[0]}"`;
  return `${input} has no unit: write "${input}${units[0]}" or "${input}${units[1]}"`;
}

function malformed(input: unknown, what: string, examples: string): string {
  return `"${String(input)}" is not ${what}: write a number and its unit, such as ${examples}`;
}

function outside(text: string, min: string, max: string): string {
  return `${text} is out of range: from ${min} to ${max}`;
}
