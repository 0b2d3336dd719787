import { asBuffer, BsonType, fieldsOf, findField, readInt32 } from '../../bson/elements.ts';
import { JsonToBson } from '../../bson/json-to-bson.ts';
import type { BsonValue } from '../../core/change-event.ts';
import { undecodable } from './undecodable.ts';

const OPEN_OBJECT = 0x7b;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const SPACE = 0x20;
/** A schema registry's serializers begin with a zero byte and the id of the schema. */
const REGISTRY_HEAD = 5;
const EMPTY_DOCUMENT_BYTES = 5;

/**
 * Reads keys and values of messages: BSON, JSON, JSON inside a JSON string, and what a converter of Kafka Connect wraps
 * with its schema.
 */
export class ValueReader {
  readonly #strict = new JsonToBson({ legacy: false });
  readonly #legacy = new JsonToBson({ legacy: true });

  /** The event as this program writes it, in BSON or Extended JSON v2; undefined for neither an object nor BSON. */
  change(bytes: Uint8Array): Buffer {
    const source = asBuffer(bytes);
    return isBson(source) ? source : this.#strict.document(source);
  }

  /** A document of any tool; undefined for a null. Throws `rejected` when it is none. */
  document(bytes: Uint8Array): Buffer | undefined {
    const source = asBuffer(bytes);
    if (isBson(source)) return source;
    const value = this.value(source);
    if (value.type === BsonType.null) return undefined;
    if (value.type !== BsonType.document) throw undecodable('it is neither a JSON object nor BSON');
    return asBuffer(value.bytes);
  }

  /** A value of any tool. Throws `rejected` when it is not JSON. */
  value(bytes: Uint8Array): BsonValue {
    const source = withoutSchemaId(asBuffer(bytes));
    const value = this.#json(source);
    return value.type === BsonType.document ? this.#payload(value) : value;
  }

  /** The document in a JSON text of any tool. */
  text(json: Buffer): Buffer {
    return this.#transcoder(json).document(json);
  }

  /** The value in a JSON text of any tool. */
  textValue(json: Buffer): BsonValue {
    return this.#transcoder(json).value(json);
  }

  #json(source: Buffer): BsonValue {
    const at = firstByte(source);
    if (source[at] === OPEN_OBJECT) return { type: BsonType.document, bytes: this.text(source) };
    const value = this.#legacy.value(source);
    if (source[at] !== QUOTE) return value;
    const inner = asBuffer(value.bytes).subarray(4, value.bytes.length - 1);
    return inner[firstByte(inner)] === OPEN_OBJECT ? { type: BsonType.document, bytes: this.text(inner) } : value;
  }

  /** What is in `{"schema": …, "payload": …}`; other documents as they are. */
  #payload(value: BsonValue): BsonValue {
    const schema = findField(value.bytes, 'schema');
    const payload = schema === undefined ? undefined : findField(value.bytes, 'payload');
    if (schema === undefined || payload === undefined || [...fieldsOf(value.bytes)].length !== 2) return value;
    if (schema.type !== BsonType.document && schema.type !== BsonType.null) return value;
    if (payload.type !== BsonType.string) return payload;
    const inner = asBuffer(payload.bytes).subarray(4, payload.bytes.length - 1);
    return inner[firstByte(inner)] === OPEN_OBJECT ? { type: BsonType.document, bytes: this.text(inner) } : payload;
  }

  /**
   * Drivers that write version 1 put a space behind colons, this program does not: so that in its JSON nothing is taken
   * for a type that is a document in version 2.
   */
  #transcoder(json: Buffer): JsonToBson {
    return isSpaced(json) ? this.#legacy : this.#strict;
  }
}

/** True for bytes with the frame of one BSON document. JSON never has it: its first bytes are far too large a length. */
export function isBson(source: Buffer): boolean {
  return (
    source.length >= EMPTY_DOCUMENT_BYTES && readInt32(source, 0) === source.length && source[source.length - 1] === 0
  );
}

function withoutSchemaId(source: Buffer): Buffer {
  return source[0] === 0 && source[REGISTRY_HEAD] === OPEN_OBJECT ? source.subarray(REGISTRY_HEAD) : source;
}

function firstByte(source: Buffer): number {
  let i = 0;
  while (source[i] === SPACE || source[i] === 0x0a || source[i] === 0x0d || source[i] === 0x09) i++;
  return i;
}

/** True when white space follows the first name of the object and its colon, or there is none. */
function isSpaced(json: Buffer): boolean {
  let i = json.indexOf(QUOTE) + 1;
  if (i === 0) return true;
  while (i < json.length && json[i] !== QUOTE) i += json[i] === BACKSLASH ? 2 : 1;
  return json[i + 1] !== COLON || json[i + 2] === SPACE;
}
