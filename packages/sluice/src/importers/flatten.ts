import type { Options } from './ledger.ts';

/** Nested data as options: `{a: {b: [{c: 1}]}}` is `a.b[0].c`. */
export function flatten(value: unknown, path = ''): Options {
  if (Array.isArray(value)) {
    return Object.assign({}, ...value.map((item, index) => flatten(item, `${path}[${index}]`)));
  }
  if (typeof value === 'object' && value !== null) {
    const parts = Object.entries(value).map(([key, inner]) => flatten(inner, path === '' ? key : `${path}.${key}`));
    return Object.assign({}, ...parts);
  }
  if (path === '') return {};
  return { [path]: scalarText(value) };
}

function scalarText(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' ? String(value) : '';
}
