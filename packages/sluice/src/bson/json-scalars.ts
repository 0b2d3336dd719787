import { decodeDecimal128, formatDecimal128 } from './decimal128.ts';
import { BsonType, cstringEnd, readInt32, readUint32 } from './elements.ts';
import { formatGoDouble, formatJavaDouble } from './foreign-doubles.ts';
import type { JsonBuffer } from './json-buffer.ts';
import { FIRST_ISO_MS, formatJavaInstant, LAST_ISO_MS, writeIsoDate } from './json-dates.ts';
import { readDouble, writeFiniteDouble, writeInt64, writeInteger } from './json-numbers.ts';
import { malformedBson } from './malformed.ts';

/**
 * How values without a form of their own in JSON are written. `relaxed` and `canonical`: Extended JSON v2;
 * `legacy`: Extended JSON v1 in strict mode, as the Java driver writes it; `plain`: as readers without knowledge of
 * BSON expect them, which loses types; `simplified`: what the MongoDB connector for Kafka calls so, close to `plain`.
 */
export type JsonStyle = 'plain' | 'relaxed' | 'canonical' | 'legacy' | 'simplified';

/**
 * `java-spaced`: a space behind colons and commas, numbers and times like Java's; `java-compact`: no space behind
 * commas. `go`: numbers and times like Go's. Their texts need a `JavaJsonBuffer` or a `GoJsonBuffer`.
 */
export type JsonDialect = 'java-spaced' | 'java-compact' | 'go';

const QUOTE = 0x22;
const CLOSE_OBJECT = 0x7d;
const TWO_32 = 2 ** 32;
/** High words of dates between which the milliseconds are a safe integer. */
const SAFE_HIGH = 2 ** 21;
const UUID = 0x04;
const UUID_BYTES = 16;
const UUID_GROUPS = [0, 4, 6, 8, 10, 16] as const;
const OLD_BINARY = 0x02;
const QUOTE_CLOSE = Buffer.from('"}');

/** Writes the values that are neither text, small numbers nor containers. The caller has checked that they are whole. */
export class ScalarWriter {
  readonly #target: JsonBuffer;
  readonly #style: JsonStyle;
  readonly #java: boolean;
  readonly #go: boolean;
  /** Without a wrapper that tells the type. */
  readonly #bare: boolean;
  readonly #token: (text: string) => Buffer;
  readonly #oid: Buffer;
  readonly #date: Buffer;
  readonly #numberLong: Buffer;
  readonly #numberInt: Buffer;
  readonly #numberDouble: Buffer;

  constructor(target: JsonBuffer, style: JsonStyle, dialect: JsonDialect | undefined) {
    this.#target = target;
    this.#style = style;
    this.#java = dialect === 'java-spaced' || dialect === 'java-compact';
    this.#go = dialect === 'go';
    this.#bare = style === 'plain' || style === 'simplified';
    const comma = dialect === 'java-spaced' ? ', "' : ',"';
    const token = (text: string): Buffer =>
      Buffer.from(this.#java ? text.replaceAll('":', '": ').replaceAll(',"', comma) : text);
    this.#token = memoize(token);
    this.#oid = token('{"$oid":"');
    this.#date = token('{"$date":');
    this.#numberLong = token('{"$numberLong":"');
    this.#numberInt = token('{"$numberInt":"');
    this.#numberDouble = token('{"$numberDouble":"');
  }

  /** Writes the value of `type` at `at`. Throws `bson.malformed` when its content is not valid. */
  write(type: number, source: Buffer, at: number): void {
    switch (type) {
      case BsonType.objectId:
        return this.objectId(source, at);
      case BsonType.date:
        return this.#writeDate(source, at);
      case BsonType.double:
        return this.#writeDouble(source, at);
      case BsonType.int32:
        return this.int32(readInt32(source, at));
      case BsonType.int64:
        return this.int64(source, at);
      case BsonType.decimal128:
        return this.#writeDecimal(source, at);
      case BsonType.binary:
        return this.#writeBinary(source, at);
      case BsonType.timestamp:
        return this.#writeTimestamp(source, at);
      case BsonType.regex:
        return this.#writeRegex(source, at);
      case BsonType.symbol:
        return this.#bare ? this.#writeText(source, at) : this.#wrapText('{"$symbol":', source, at);
      case BsonType.code:
        return this.#wrapText('{"$code":', source, at);
      case BsonType.dbPointer:
        return this.#writeDbPointer(source, at);
      default:
        return this.#writeConstant(type);
    }
  }

  /** `{"$oid":"…"}`, in plain style only the digits. */
  objectId(source: Buffer, at: number): void {
    const target = this.#target;
    const plain = this.#bare;
    if (plain) target.bytes[target.at++] = QUOTE;
    else target.raw(this.#oid);
    target.hex(source, at, at + 12);
    target.bytes[target.at++] = QUOTE;
    if (!plain) target.bytes[target.at++] = CLOSE_OBJECT;
  }

  /** `{"$numberInt":"…"}`: only canonical style wraps an int32. */
  int32(value: number): void {
    this.#target.raw(this.#numberInt);
    writeInteger(this.#target, value);
    this.#target.raw(QUOTE_CLOSE);
  }

  /** `{"$numberLong":"…"}`. */
  int64(source: Buffer, at: number): void {
    this.#target.raw(this.#numberLong);
    writeInt64(this.#target, source, at);
    this.#target.raw(QUOTE_CLOSE);
  }

  #writeDate(source: Buffer, at: number): void {
    const target = this.#target;
    const high = readInt32(source, at + 4);
    const safe = high >= -SAFE_HIGH && high < SAFE_HIGH;
    const ms = safe ? high * TWO_32 + readUint32(source, at) : Number.NaN;
    if (this.#style === 'plain') return this.#writePlainDate(ms, source, at);
    if (this.#style === 'simplified') return this.#writeInstant(source, at);
    target.raw(this.#date);
    if (this.#style === 'relaxed' && ms >= 0 && ms <= LAST_ISO_MS) {
      if (this.#java || this.#go) this.#writeInstant(source, at);
      else {
        target.bytes[target.at++] = QUOTE;
        writeIsoDate(target, ms, false);
        target.bytes[target.at++] = QUOTE;
      }
    } else if (this.#style === 'legacy') {
      writeInt64(target, source, at);
    } else {
      this.int64(source, at);
    }
    target.bytes[target.at++] = CLOSE_OBJECT;
  }

  #writePlainDate(ms: number, source: Buffer, at: number): void {
    const target = this.#target;
    if (!(ms >= FIRST_ISO_MS && ms <= LAST_ISO_MS)) return writeInt64(target, source, at);
    target.bytes[target.at++] = QUOTE;
    writeIsoDate(target, ms, true);
    target.bytes[target.at++] = QUOTE;
  }

  /** As the ISO formatters of Java and Go write it. */
  #writeInstant(source: Buffer, at: number): void {
    const ms = source.readBigInt64LE(at);
    this.#target.ascii(`"${formatJavaInstant(Number(ms))}"`);
  }

  #writeDouble(source: Buffer, at: number): void {
    const target = this.#target;
    const finite = (source[at + 7]! & 0x7f) !== 0x7f || (source[at + 6]! & 0xf0) !== 0xf0;
    if (finite && this.#style !== 'canonical') return this.#writeFinite(source, at);
    if (!finite && this.#style === 'plain') return target.ascii('null');
    // Not JSON, but what the Java driver writes in this mode.
    if (!finite && this.#style === 'legacy' && this.#java) return target.ascii(String(readDouble(source, at)));
    target.raw(this.#numberDouble);
    if (finite) this.#writeFinite(source, at);
    else target.ascii(String(readDouble(source, at)));
    target.raw(QUOTE_CLOSE);
  }

  #writeFinite(source: Buffer, at: number): void {
    if (this.#java) this.#target.ascii(formatJavaDouble(readDouble(source, at)));
    else if (this.#go) this.#target.ascii(formatGoDouble(readDouble(source, at)));
    else writeFiniteDouble(this.#target, source, at);
  }

  #writeDecimal(source: Buffer, at: number): void {
    const text = formatDecimal128(decodeDecimal128(source, at));
    if (this.#bare) return this.#target.ascii(`"${text}"`);
    this.#target.raw(this.#token('{"$numberDecimal":"'));
    this.#target.ascii(text);
    this.#target.raw(QUOTE_CLOSE);
  }

  #writeBinary(source: Buffer, at: number): void {
    const target = this.#target;
    const end = at + 5 + readInt32(source, at);
    const subtype = source[at + 4]!;
    let start = at + 5;
    // Subtype 2 repeats the length inside; the data begins behind it.
    if (subtype === OLD_BINARY && end - start >= 4 && readInt32(source, start) === end - start - 4) start += 4;
    if (this.#bare) {
      const isUuid = subtype === UUID && end - start === UUID_BYTES;
      if (isUuid && this.#style === 'plain') return this.#writeUuid(source, start);
      return target.ascii(`"${source.toString('base64', start, end)}"`);
    }
    const hex = subtype.toString(16).padStart(2, '0');
    const legacy = this.#style === 'legacy';
    target.raw(this.#token(legacy ? '{"$binary":"' : '{"$binary":{"base64":"'));
    target.ascii(source.toString('base64', start, end));
    target.raw(this.#token(legacy ? '","$type":"' : '","subType":"'));
    target.ascii(legacy ? `${hex.toUpperCase()}"}` : `${hex}"}}`);
  }

  #writeUuid(source: Buffer, start: number): void {
    const target = this.#target;
    for (let group = 0; group < 5; group++) {
      target.ascii(group === 0 ? '"' : '-');
      target.hex(source, start + UUID_GROUPS[group]!, start + UUID_GROUPS[group + 1]!);
    }
    target.ascii('"');
  }

  #writeTimestamp(source: Buffer, at: number): void {
    const target = this.#target;
    target.raw(this.#token('{"$timestamp":{"t":'));
    writeInteger(target, readUint32(source, at + 4));
    target.raw(this.#token(',"i":'));
    writeInteger(target, readUint32(source, at));
    target.ascii('}}');
  }

  #writeRegex(source: Buffer, at: number): void {
    const target = this.#target;
    const legacy = this.#style === 'legacy';
    const patternEnd = cstringEnd(source, at, source.length);
    target.raw(this.#token(legacy ? '{"$regex":' : '{"$regularExpression":{"pattern":'));
    target.text(source, at, patternEnd);
    target.raw(this.#token(legacy ? ',"$options":' : ',"options":'));
    target.text(source, patternEnd + 1, cstringEnd(source, patternEnd + 1, source.length));
    target.ascii(legacy ? '}' : '}}');
  }

  #writeDbPointer(source: Buffer, at: number): void {
    const target = this.#target;
    const legacy = this.#style === 'legacy';
    const idAt = at + 4 + readInt32(source, at);
    target.raw(this.#token(legacy ? '{"$ref":' : '{"$dbPointer":{"$ref":'));
    this.#writeText(source, at);
    target.raw(this.#token(',"$id":{"$oid":"'));
    target.hex(source, idAt, idAt + 12);
    target.ascii(legacy ? '"}}' : '"}}}');
  }

  #wrapText(open: string, source: Buffer, at: number): void {
    this.#target.raw(this.#token(open));
    this.#writeText(source, at);
    this.#target.bytes[this.#target.at++] = CLOSE_OBJECT;
  }

  #writeText(source: Buffer, at: number): void {
    this.#target.text(source, at + 4, at + 3 + readInt32(source, at));
  }

  #writeConstant(type: number): void {
    const plain = this.#style === 'plain';
    if (type === BsonType.undefined) return this.#target.raw(this.#token(plain ? 'null' : '{"$undefined":true}'));
    if (type === BsonType.minKey) return this.#target.raw(this.#token('{"$minKey":1}'));
    if (type === BsonType.maxKey) return this.#target.raw(this.#token('{"$maxKey":1}'));
    throw malformedBson(`there is no type 0x${type.toString(16)}`);
  }
}

function memoize(make: (text: string) => Buffer): (text: string) => Buffer {
  const known = new Map<string, Buffer>();
  return (text) => {
    let value = known.get(text);
    if (value === undefined) {
      value = make(text);
      known.set(text, value);
    }
    return value;
  };
}
