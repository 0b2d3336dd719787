import type { SearchSinkConfig } from './config.ts';
import type { SearchProduct } from './product.ts';

/** Settings by their full names (`index.gc_deletes`). */
export type FlatSettings = ReadonlyMap<string, unknown>;

export const GC_DELETES = 'index.gc_deletes';
export const FIELD_LIMIT = 'index.mapping.total_fields.limit';
export const DEPTH_LIMIT_SETTING = 'index.mapping.depth.limit';
export const DURABILITY = 'index.translog.durability';
export const IGNORE_MALFORMED = 'index.mapping.ignore_malformed';

/** What the products do when nothing is set. */
export const DEFAULT_GC_DELETES_MS = 60_000;
export const DEFAULT_FIELD_LIMIT = 1000;

const UNITS: Readonly<Record<string, number>> = {
  nanos: 1e-6,
  micros: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * The settings of an index that is made: the user's win, except `index.gc_deletes`, which `deletes.gcDeletes` says. Serverless
 * products take no settings of theirs.
 */
export function settingsOf(
  { settings, mapping, deletes }: Pick<SearchSinkConfig, 'settings' | 'mapping' | 'deletes'>,
  { serverless }: Pick<SearchProduct, 'serverless'>,
): FlatSettings {
  const own: readonly (readonly [string, unknown])[] = [
    [FIELD_LIMIT, mapping.fieldLimit],
    [IGNORE_MALFORMED, mapping.malformed === 'ignore'],
  ];
  const flat = new Map<string, unknown>([...(serverless ? [] : own), ...flatSettings(settings)]);
  if (!serverless) flat.set(GC_DELETES, `${deletes.gcDeletes}ms`);
  return flat;
}

/** Settings as they may be written, with or without `index`, as objects or with dots, by their full names. */
export function flatSettings(settings: Readonly<Record<string, unknown>>): FlatSettings {
  const flat = new Map<string, unknown>();
  const add = (path: string, value: unknown) => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [name, below] of Object.entries(value)) add(path === '' ? name : `${path}.${name}`, below);
    } else {
      flat.set(path.startsWith('index.') ? path : `index.${path}`, value);
    }
  };
  add('', settings);
  return flat;
}

/** A time as the products write it (`24h`, `1.5m`, `-1`) in ms; a negative one is for ever. Undefined when it is none. */
export function parseTime(text: unknown): number | undefined {
  const found = /^(-?\d+(?:\.\d+)?)(nanos|micros|ms|s|m|h|d)?$/i.exec(String(text));
  if (found === null) return undefined;
  const number = Number(found[1]);
  return number < 0 ? Number.POSITIVE_INFINITY : number * (UNITS[found[2]?.toLowerCase() ?? 'ms'] ?? 1);
}

/** A setting that is a whole number. */
export function wholeSetting(settings: FlatSettings, name: string): number | undefined {
  const number = Number(settings.get(name) ?? Number.NaN);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** A setting that is true or false; the products write it back as text. */
export function isSet(settings: FlatSettings, name: string): boolean {
  const value = settings.get(name);
  return value === true || value === 'true';
}
