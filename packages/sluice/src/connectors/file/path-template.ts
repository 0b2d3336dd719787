import { createHash } from 'node:crypto';
import type { Namespace } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';

const DAY_MS = 86_400_000;

/** Longer names are cut: two of them and an ending still fit into the 255 bytes of a file name. */
const LONGEST_NAME = 100;
const HASH_DIGITS = 16;

/** The file of an envelope. */
export type PathOf = (envelope: Envelope) => string;

/** Compiles a path with `{db}`, `{coll}` and `{date}`. The result remembers the path of each namespace. */
export function pathTemplate(template: string): PathOf {
  if (!template.includes('{')) return () => template;
  const paths = new WeakMap<Namespace, { readonly day: number; readonly path: string }>();
  const dated = template.includes('{date}');
  return ({ event, namespace }) => {
    const day = dated ? Math.floor(event.sourceTimeMs / DAY_MS) : 0;
    const known = paths.get(namespace);
    if (known?.day === day) return known.path;
    const path = expand(template, namespace, day);
    paths.set(namespace, { day, path });
    return path;
  };
}

function expand(template: string, { db, coll }: Namespace, day: number): string {
  return template.replace(/\{(db|coll|date)\}/g, (_, name: string) => {
    if (name === 'date') return new Date(day * DAY_MS).toISOString().slice(0, 10);
    return safeName(name === 'db' ? db : coll);
  });
}

/**
 * A part of a file name for any name: letters, digits, `.`, `_` and `-` stay, every other byte of its UTF-8 becomes
 * `%` and two hex digits, and so does a leading dot. Two names never become one; none can leave its directory. A name
 * that gets too long ends in `~` and a hash; the empty one (a database event has no collection) is `~`.
 */
export function safeName(name: string): string {
  if (name === '') return '~';
  const escaped = name.replace(/^\.|[^A-Za-z0-9._-]/gu, escape);
  if (escaped.length <= LONGEST_NAME) return escaped;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_DIGITS);
  return `${escaped.slice(0, LONGEST_NAME - HASH_DIGITS - 1)}~${hash}`;
}

function escape(character: string): string {
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}

/** The directory of a template that holds all its files: what stands before the first placeholder. */
export function fixedDirectory(template: string): string {
  const fixed = template.split('{', 1)[0] ?? '';
  const end = Math.max(fixed.lastIndexOf('/'), fixed.lastIndexOf('\\'));
  if (end < 0) return '.';
  return end === 0 ? fixed.slice(0, 1) : fixed.slice(0, end);
}
