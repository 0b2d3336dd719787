import { type FieldPath, segmentName, segmentsOf } from '../../../core/field-path.ts';

/** The hash of no bytes. */
export const HASH_START = 0;
const INDEX = /^(0|[1-9]\d*)$/;

/** The hash of the bytes so far and one more. */
export function hashByte(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

/** A name that is wanted, and what of its value. */
export class NameEntry {
  /** The value itself: the index of its column; -1 when it has none. */
  column = -1;
  /** Its elements: the index of their child table; -1 when they have none. */
  child = -1;
  /** Fields of the document that it is. */
  level: NameLevel | undefined;
  /** True when something inside of the value is wanted. */
  isInner = false;
  /** The entry that came behind this one the last time. */
  next: NameEntry | undefined;
  /** When it was seen last. */
  visit = 0;
  readonly name: string;
  readonly length: number;
  readonly hash: number;
  /** With the zero byte that ends it. */
  readonly #bytes: Buffer;

  constructor(name: string) {
    const bytes = Buffer.from(`${name}\0`);
    this.name = name;
    this.length = bytes.length - 1;
    this.hash = bytes.subarray(0, -1).reduce(hashByte, HASH_START);
    this.#bytes = bytes;
  }

  /** True when the name with its end stands at `at`. */
  isAt(source: Buffer, at: number): boolean {
    const bytes = this.#bytes;
    for (let i = 0; i < bytes.length; i++) if (source[at + i] !== bytes[i]) return false;
    return true;
  }
}

/** The wanted names of one level of a document. */
export class NameLevel {
  readonly entries: NameEntry[] = [];
  /** True when a name is also that of an element of an array, as in `document #>> path`. */
  hasIndexes = false;
  /** What a document is expected to begin with. */
  first: NameEntry | undefined;
  #slots: (readonly NameEntry[] | undefined)[] = [];
  #mask = 0;

  /** The entry for a path; it and those on the way are made when they are missing. */
  add(path: FieldPath): NameEntry {
    return this.#add(segmentsOf(path).map(segmentName));
  }

  /** To be called when all names are there, and before any is looked for. */
  seal(): void {
    let size = 8;
    while (size < this.entries.length * 4) size *= 2;
    this.#mask = size - 1;
    this.#slots = Array.from({ length: size });
    for (const [at, entry] of this.entries.entries()) {
      const slot = entry.hash & this.#mask;
      this.#slots[slot] = [...(this.#slots[slot] ?? []), entry];
      entry.next = this.entries[at + 1];
      entry.isInner = entry.level !== undefined || entry.child >= 0;
      entry.level?.seal();
    }
    this.first = this.entries[0];
  }

  /** The entry of the name from `at` to `end`, which has this hash. */
  find(hash: number, source: Buffer, at: number, end: number): NameEntry | undefined {
    const slot = this.#slots[hash & this.#mask];
    if (slot === undefined) return undefined;
    for (const entry of slot)
      if (entry.length === end - at && entry.hash === hash && entry.isAt(source, at)) return entry;
    return undefined;
  }

  #add([name = '', ...rest]: readonly string[]): NameEntry {
    let entry = this.entries.find((known) => known.name === name);
    if (entry === undefined) {
      entry = new NameEntry(name);
      this.entries.push(entry);
      this.hasIndexes ||= INDEX.test(name);
    }
    if (rest.length === 0) return entry;
    entry.level ??= new NameLevel();
    return entry.level.#add(rest);
  }
}
