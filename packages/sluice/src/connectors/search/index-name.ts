import { createHash } from 'node:crypto';
import type { Namespace } from '../../core/change-event.ts';

const PLACEHOLDER = /\{(db|coll)\}/g;
/** The products count bytes of UTF-8. */
const LONGEST = 255;
/** What no index can have in its name, and control characters, which a URL cannot show. */
const FORBIDDEN = /[\\/*?"<>|\s,#:\p{Cc}]/gu;
/** What no index name can begin with; a dot makes an index hidden, which newer versions keep to themselves. */
const FORBIDDEN_START = /^[-_+.]+/;
const HASH_DIGITS = 8;
/** More namespaces than this are not remembered by object. */
const MOST_REMEMBERED = 10_000;

/** Why the text cannot be the template of index names; undefined when it can. */
export function indexTemplateProblem(text: string): string | undefined {
  const fixed = text.replaceAll(PLACEHOLDER, '');
  if (text === '') return 'must not be empty';
  if (/[{}]/.test(fixed)) return 'must be a name, in which only `{db}` and `{coll}` are replaced';
  if (fixed !== fixed.toLowerCase()) return 'must be lower case';
  if (fixed.search(FORBIDDEN) >= 0)
    return 'must not contain spaces, control characters or any of \\ / * ? " < > | , # :';
  if (FORBIDDEN_START.test(text)) return 'must not begin with `-`, `_`, `+` or `.`';
  if (Buffer.byteLength(fixed) > LONGEST / 2) return `must not be longer than ${Math.floor(LONGEST / 2)} bytes`;
  return undefined;
}

/**
 * The index of a collection: the template with its placeholders replaced, in lower case. Where that is no legal name of an
 * index (forbidden characters, `-`, `_`, `+` or `.` at the start, over 255 bytes), what is wrong is replaced by `_`, left out or
 * cut, and `-` and 8 hexadecimal digits of the SHA-256 of the replaced template are added, so that two collections do not get
 * the same name by it. Lower case alone adds nothing: collections that differ in nothing else share a name, which the sink refuses
 * when it meets the second one.
 */
export function indexName(template: string, { db, coll }: Namespace): string {
  const wanted = template.replaceAll(PLACEHOLDER, (_, name) => (name === 'db' ? db : coll)).toWellFormed();
  const lower = wanted.toLowerCase();
  const legal = lower.replaceAll(FORBIDDEN, '_').replace(FORBIDDEN_START, '');
  if (legal === lower && legal !== '' && Buffer.byteLength(legal) <= LONGEST) return legal;
  const hash = createHash('sha256').update(wanted).digest('hex').slice(0, HASH_DIGITS);
  return legal === '' ? hash : `${cut(legal, LONGEST - HASH_DIGITS - 1)}-${hash}`;
}

/** As many whole characters as fit into so many bytes. */
function cut(text: string, bytes: number): string {
  const buffer = Buffer.from(text);
  let end = Math.min(bytes, buffer.length);
  while (end < buffer.length && ((buffer[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return buffer.toString('utf8', 0, end);
}

/** The indexes of collections; `indexName`, remembered. */
export class IndexNames {
  readonly #template: string;
  readonly #known = new Map<Namespace, string>();

  constructor(template: string) {
    this.#template = template;
  }

  of(namespace: Namespace): string {
    let index = this.#known.get(namespace);
    if (index === undefined) {
      index = indexName(this.#template, namespace);
      if (this.#known.size >= MOST_REMEMBERED) this.#known.clear();
      this.#known.set(namespace, index);
    }
    return index;
  }
}
