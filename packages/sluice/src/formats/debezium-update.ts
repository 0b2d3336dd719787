import { asBuffer, BsonType, cstringEnd, documentEnd, findField, readInt32, valueEnd } from '../bson/elements.ts';
import type { JsonBuffer } from '../bson/json-buffer.ts';
import { writeInteger } from '../bson/json-numbers.ts';
import { malformedBson } from '../bson/malformed.ts';

/**
 * Writes Debezium's `updateDescription`: names of removed fields, the updated fields as a JSON text, and truncated
 * arrays with their new size. What is empty is null, except for the updated fields.
 */
export function writeUpdateDescription(output: JsonBuffer, update: Buffer, updatedFields: Buffer | undefined): void {
  output.ascii('{"removedFields":');
  writeList(output, arrayOf(update, 'removedFields'), writeName);
  output.ascii(',"updatedFields":');
  if (updatedFields === undefined) output.ascii('null');
  else output.text(updatedFields, 0, updatedFields.length);
  output.ascii(',"truncatedArrays":');
  writeList(output, arrayOf(update, 'truncatedArrays'), writeTruncatedArray);
  output.ascii('}');
}

interface Item {
  readonly type: number;
  readonly bytes: Buffer;
}

function arrayOf(update: Buffer, name: string): Item[] {
  const field = findField(update, name);
  if (field?.type !== BsonType.array) return [];
  const source = asBuffer(field.bytes);
  const last = documentEnd(source, 0, source.length) - 1;
  const items: Item[] = [];
  for (let at = 4; at < last; ) {
    const type = source[at]!;
    const start = cstringEnd(source, at + 1, last) + 1;
    at = valueEnd(source, type, start, last);
    items.push({ type, bytes: source.subarray(start, at) });
  }
  return items;
}

function writeList(output: JsonBuffer, items: readonly Item[], write: (output: JsonBuffer, item: Item) => void): void {
  if (items.length === 0) return output.ascii('null');
  items.forEach((item, index) => {
    output.ascii(index === 0 ? '[' : ',');
    write(output, item);
  });
  output.ascii(']');
}

function writeName(output: JsonBuffer, item: Item): void {
  if (item.type !== BsonType.string) throw malformedBson('the name of a removed field is not a string');
  output.text(item.bytes, 4, item.bytes.length - 1);
}

function writeTruncatedArray(output: JsonBuffer, item: Item): void {
  const field = item.type === BsonType.document ? findField(item.bytes, 'field') : undefined;
  const size = item.type === BsonType.document ? findField(item.bytes, 'newSize') : undefined;
  if (field?.type !== BsonType.string || size?.type !== BsonType.int32) {
    throw malformedBson('a truncated array is not described by its field and size');
  }
  output.ascii('{"field":');
  output.text(field.bytes, 4, field.bytes.length - 1);
  output.ascii(',"size":');
  writeInteger(output, readInt32(size.bytes, 0));
  output.ascii('}');
}
