import type { BsonValue } from '../core/change-event.ts';
import { asBuffer, BsonType } from './elements.ts';
import { JsonBuffer } from './json-buffer.ts';
import { DocumentWriter } from './json-document.ts';

/** A larger value is not written out for a line that shows a part of it. */
const MAX_VALUE_BYTES = 2048;

/**
 * Characters that could move the cursor, colour the terminal or turn the text around: C0 and C1 controls, line and
 * paragraph separators, and the marks of writing direction.
 */
const UNSAFE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** The text without anything a terminal would act on: such characters appear as `\uXXXX`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** At most `width` characters; what is cut off shows as `…`. */
export function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  const characters = Array.from(text);
  if (characters.length <= width) return text;
  return width < 1 ? '' : `${characters.slice(0, width - 1).join('')}…`;
}

/** Writes single values for people, in plain JSON; never throws and never writes much more than a line. */
export class ValueText {
  readonly #buffer = new JsonBuffer(MAX_VALUE_BYTES);
  readonly #writer = new DocumentWriter(this.#buffer, { style: 'plain' });

  /** The value in at most `width` characters. */
  of(value: BsonValue, width: number): string {
    const source = asBuffer(value.bytes);
    if (value.type === BsonType.string) return cut(printable(quoted(source, width)), width);
    if (source.length > MAX_VALUE_BYTES) return cut(sizeOf(value), width);
    return cut(printable(this.#json(value.type, source)), width);
  }

  #json(type: number, source: Buffer): string {
    try {
      this.#buffer.rewind();
      this.#buffer.begin(source.length);
      this.#writer.value(type, source);
      return this.#buffer.end().toString();
    } catch {
      return '<not readable>';
    }
  }
}

/** A string value with its quotes; bytes that are not UTF-8 show as replacement characters. */
function quoted(source: Buffer, width: number): string {
  const end = Math.min(source.length - 1, 4 + width * 4);
  return JSON.stringify(source.toString('utf8', 4, end)) + (end < source.length - 1 ? '…' : '');
}

function sizeOf({ type, bytes }: BsonValue): string {
  const kilobytes = `${Math.round(bytes.length / 1024)} kB`;
  if (type === BsonType.array) return `[… ${kilobytes}]`;
  if (type === BsonType.document) return `{… ${kilobytes}}`;
  return `<${kilobytes}>`;
}
