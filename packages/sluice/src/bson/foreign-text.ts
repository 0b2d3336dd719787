import { isUtf8 } from 'node:buffer';
import { JsonBuffer } from './json-buffer.ts';
import { invalidUtf8 } from './malformed.ts';

/** From here on bytes are not printable ASCII. */
const FIRST_OTHER = 0x7f;
/** What the Java driver writes as it is: letters, numbers, spaces, punctuation and symbols of the first plane. */
const WRITTEN =
  String.raw`\x00-\x7e\p{Lu}\p{Ll}\p{Lt}\p{Lo}\p{Nd}\p{Nl}\p{No}\p{Zs}\p{Pc}\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Po}` +
  String.raw`\p{Me}\p{Sm}\p{Sc}\p{Sk}\p{So}`;
const ESCAPED_BY_JAVA = new RegExp(`[^${WRITTEN}]|[\\u{10000}-\\u{10ffff}]`, 'gu');

/** What the Go driver escapes besides control characters. */
const ESCAPED_BY_GO = /[\u2028\u2029]/gu;

/** A `JsonBuffer` whose texts are escaped as another driver does; everything else is the same. */
class ForeignJsonBuffer extends JsonBuffer {
  readonly #escapedCharacters: RegExp;

  constructor(escapedCharacters: RegExp) {
    super();
    this.#escapedCharacters = escapedCharacters;
  }

  override text(source: Uint8Array, start: number, end: number): void {
    if (isPlain(source, start, end)) return super.text(source, start, end);
    this.#escaped(source, start, end);
  }

  override name(source: Uint8Array, start: number): number {
    const end = source.indexOf(0, start);
    if (isPlain(source, start, end)) return super.name(source, start);
    this.#escaped(source, start, end);
    return end;
  }

  #escaped(source: Uint8Array, start: number, end: number): void {
    const bytes = Buffer.from(source.buffer, source.byteOffset + start, end - start);
    if (!isUtf8(bytes)) throw invalidUtf8('text');
    const text = JSON.stringify(bytes.toString()).replace(this.#escapedCharacters, escapeUnits);
    this.raw(Buffer.from(text));
    this.reserve();
  }
}

/** Texts as the Java driver writes them. */
export class JavaJsonBuffer extends ForeignJsonBuffer {
  constructor() {
    super(ESCAPED_BY_JAVA);
  }
}

/** Texts as the Go driver writes them. */
export class GoJsonBuffer extends ForeignJsonBuffer {
  constructor() {
    super(ESCAPED_BY_GO);
  }
}

function isPlain(source: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (source[i]! >= FIRST_OTHER) return false;
  return true;
}

/** Each of the one or two units that the character has in UTF-16. */
function escapeUnits(character: string): string {
  let text = '';
  for (let i = 0; i < character.length; i++) text += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  return text;
}
