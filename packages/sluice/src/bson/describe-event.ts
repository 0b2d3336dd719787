import type { BsonValue, ChangeEvent } from '../core/change-event.ts';
import { formatNamespace } from '../core/change-event.ts';
import { BsonType, fieldsOf, findField, readInt32 } from './elements.ts';
import { shownId } from './key-text.ts';
import { cut, printable, ValueText } from './readable-text.ts';

/** A piece of the description and what it is, so that the caller can colour it. */
export interface DetailSegment {
  readonly kind: 'field' | 'value' | 'removed' | 'note' | 'separator';
  readonly text: string;
}

/** A change event in words, for one line of a terminal. Nothing in it can act on a terminal. */
export interface EventDescription {
  readonly op: string;
  /** `db.coll`. */
  readonly namespace: string;
  readonly key: string;
  /** What changed; all texts together are at most as wide as asked for. */
  readonly details: readonly DetailSegment[];
}

/** How much room there is. */
export interface DescribeOptions {
  /** Characters for the details. */
  readonly width: number;
  /** Characters for the key. Default 40. */
  readonly keyWidth?: number | undefined;
}

const DEFAULT_KEY_WIDTH = 40;
const MAX_FIELD_WIDTH = 40;
const MAX_VALUE_WIDTH = 60;

/**
 * Describes an event: an update by its changed and removed fields, an insert or replace by the first fields of the
 * document, a DDL event by what it names. Never throws: what cannot be read shows as `?`.
 */
export function describeEvent(event: ChangeEvent, options: DescribeOptions): EventDescription {
  const line = new Line(options.width);
  attempt(() => describeDetails(event, line), undefined);
  return {
    op: printable(attempt(() => event.op, '?')),
    namespace: printable(attempt(() => formatNamespace(event.namespace), '?')),
    key: attempt(() => shownId(event.key(), options.keyWidth ?? DEFAULT_KEY_WIDTH), '?'),
    details: line.segments,
  };
}

function describeDetails(event: ChangeEvent, line: Line): void {
  if (event.degraded === 'images-dropped') line.note('images left out: event too large');
  switch (event.op) {
    case 'update':
      return describeUpdate(event, line);
    case 'insert':
    case 'replace':
    case 'snapshot':
      return describeDocument(event.after(), line);
    case 'delete':
      return describeDocument(event.before(), line);
    default:
      return describeDdl(event, line);
  }
}

function describeDocument(document: Uint8Array | undefined, line: Line): void {
  if (document === undefined) return;
  for (const field of fieldsOf(document)) {
    if (field.name !== '_id' && !line.pair(field.name, field)) return;
  }
}

function describeUpdate(event: ChangeEvent, line: Line): void {
  const update = event.update();
  if (update === undefined) return describeDocument(event.after(), line);
  for (const field of itemsOf(update, 'updatedFields')) if (!line.pair(field.name, field)) return;
  for (const item of itemsOf(update, 'removedFields')) if (!line.removed(textOf(item))) return;
  for (const item of itemsOf(update, 'truncatedArrays')) {
    const size = findField(item.bytes, 'newSize');
    const field = findField(item.bytes, 'field');
    if (size?.type !== BsonType.int32 || field === undefined) continue;
    if (!line.removed(`${textOf(field)}[${readInt32(size.bytes, 0)}…]`)) return;
  }
}

function describeDdl(event: ChangeEvent, line: Line): void {
  const to = event.field('to');
  if (to?.type === BsonType.document) {
    const parts = ['db', 'coll'].map((name) => findField(to.bytes, name)).filter((part) => part !== undefined);
    line.note(`to ${parts.map(textOf).join('.')}`);
  }
  const description = event.field('operationDescription');
  if (description?.type === BsonType.document) describeDocument(description.bytes, line);
}

function itemsOf(update: Uint8Array, name: string): ReturnType<typeof fieldsOf> | [] {
  const list = findField(update, name);
  return list?.type === BsonType.document || list?.type === BsonType.array ? fieldsOf(list.bytes) : [];
}

function textOf({ type, bytes }: BsonValue): string {
  return type === BsonType.string ? Buffer.from(bytes.subarray(4, -1)).toString() : '?';
}

function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

/** Collects segments until the width is used up; its methods tell whether there is room for more. */
class Line {
  readonly segments: DetailSegment[] = [];
  readonly #values = new ValueText();
  #left: number;

  constructor(width: number) {
    this.#left = width;
  }

  pair(name: string, value: BsonValue): boolean {
    this.#separate();
    this.#add('field', cut(printable(name), MAX_FIELD_WIDTH));
    this.#add('separator', ': ');
    return this.#add('value', this.#values.of(value, MAX_VALUE_WIDTH));
  }

  removed(name: string): boolean {
    this.#separate();
    return this.#add('removed', `-${cut(printable(name), MAX_FIELD_WIDTH)}`);
  }

  note(text: string): boolean {
    this.#separate();
    return this.#add('note', printable(text));
  }

  #separate(): void {
    if (this.segments.length > 0) this.#add('separator', ', ');
  }

  #add(kind: DetailSegment['kind'], text: string): boolean {
    if (this.#left < 1) return false;
    const shown = cut(text, this.#left);
    this.segments.push({ kind, text: shown });
    this.#left -= Array.from(shown).length;
    return this.#left > 0;
  }
}
