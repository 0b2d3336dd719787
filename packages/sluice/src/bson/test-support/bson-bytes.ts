/*
 * Builds BSON byte by byte, also what no library would write: duplicate names, broken text, wrong lengths.
 * Only for tests.
 */

/** A value with its type byte. */
export interface Value {
  readonly type: number;
  readonly payload: Buffer;
}

/** A field: its name (bytes, to allow broken ones) and its value. */
export type Field = readonly [name: string | Buffer, value: Value];

/** The document of these fields. */
export function document(...fields: readonly Field[]): Buffer {
  const parts: Buffer[] = [];
  for (const [name, { type, payload }] of fields) {
    parts.push(Buffer.from([type]), typeof name === 'string' ? Buffer.from(name) : name, Buffer.from([0]), payload);
  }
  return framed(Buffer.concat(parts));
}

/** A document around element bytes that are taken as they are. */
export function framed(elements: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32LE(elements.length + 5);
  return Buffer.concat([length, elements, Buffer.from([0])]);
}

export const embedded = (...fields: readonly Field[]): Value => ({ type: 0x03, payload: document(...fields) });
export const array = (...values: readonly Value[]): Value => ({
  type: 0x04,
  payload: document(...values.map((value, index): Field => [String(index), value])),
});
export const double = (value: number): Value => ({ type: 0x01, payload: eight((b) => b.writeDoubleLE(value)) });
export const string = (value: string | Buffer): Value => ({ type: 0x02, payload: text(value) });
export const symbol = (value: string): Value => ({ type: 0x0e, payload: text(value) });
export const code = (value: string): Value => ({ type: 0x0d, payload: text(value) });
export const int32 = (value: number): Value => {
  const payload = Buffer.alloc(4);
  payload.writeInt32LE(value);
  return { type: 0x10, payload };
};
export const int64 = (value: bigint): Value => ({ type: 0x12, payload: eight((b) => b.writeBigInt64LE(value)) });
export const date = (ms: bigint): Value => ({ type: 0x09, payload: eight((b) => b.writeBigInt64LE(ms)) });
export const timestamp = (t: number, i: number): Value => ({
  type: 0x11,
  payload: eight((b) => {
    b.writeUInt32LE(i);
    b.writeUInt32LE(t, 4);
  }),
});
export const objectId = (hex: string): Value => ({ type: 0x07, payload: Buffer.from(hex, 'hex') });
export const boolean = (value: boolean): Value => ({ type: 0x08, payload: Buffer.from([Number(value)]) });
export const nothing: Value = { type: 0x0a, payload: Buffer.alloc(0) };
export const undef: Value = { type: 0x06, payload: Buffer.alloc(0) };
export const minKey: Value = { type: 0xff, payload: Buffer.alloc(0) };
export const maxKey: Value = { type: 0x7f, payload: Buffer.alloc(0) };
export const regex = (pattern: string, options: string): Value => ({
  type: 0x0b,
  payload: Buffer.from(`${pattern}\0${options}\0`),
});
export const dbPointer = (namespace: string, hex: string): Value => ({
  type: 0x0c,
  payload: Buffer.concat([text(namespace), Buffer.from(hex, 'hex')]),
});
export const codeWithScope = (source: string, scope: Buffer): Value => {
  const body = Buffer.concat([text(source), scope]);
  const length = Buffer.alloc(4);
  length.writeInt32LE(body.length + 4);
  return { type: 0x0f, payload: Buffer.concat([length, body]) };
};
export const binary = (subtype: number, bytes: Buffer): Value => {
  const head = Buffer.alloc(5);
  head.writeInt32LE(bytes.length);
  head[4] = subtype;
  return { type: 0x05, payload: Buffer.concat([head, bytes]) };
};
/** Subtype 2 as drivers write it: with the length once more inside. */
export const oldBinary = (bytes: Buffer): Value => {
  const inner = Buffer.alloc(4);
  inner.writeInt32LE(bytes.length);
  return binary(0x02, Buffer.concat([inner, bytes]));
};
/** 16 bytes in the order of the specification: high word first, as hex. */
export const decimal128 = (hex: string): Value => ({
  type: 0x13,
  payload: Buffer.from(Buffer.from(hex, 'hex').toReversed()),
});

/** The decimal128 of coefficient × 10^exponent. */
export function decimalOf(coefficient: bigint, exponent: number, negative = false): Value {
  const high = (negative ? 1n << 63n : 0n) | (BigInt(exponent + 6176) << 49n) | (coefficient >> 64n);
  const payload = Buffer.alloc(16);
  payload.writeBigUInt64LE(coefficient & 0xffff_ffff_ffff_ffffn);
  payload.writeBigUInt64LE(high, 8);
  return { type: 0x13, payload };
}

function text(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const length = Buffer.alloc(4);
  length.writeInt32LE(bytes.length + 1);
  return Buffer.concat([length, bytes, Buffer.from([0])]);
}

function eight(write: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(8);
  write(buffer);
  return buffer;
}
