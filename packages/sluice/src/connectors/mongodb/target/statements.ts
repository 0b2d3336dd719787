import type { RawStatement } from './raw-sequence.ts';

const TRUE = 1;

/** Bytes of a document that are written as they are. */
export class RawDocument implements RawStatement {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  writeTo(target: Buffer, at: number): number {
    return put(target, at, this.#bytes);
  }
}

const Q_FIELD = Buffer.from('\x03q\0', 'latin1');
const U_DOCUMENT = Buffer.from('\x03u\0', 'latin1');
const UPSERT_END = Buffer.from(`\x08upsert\0${String.fromCharCode(TRUE)}\0`, 'latin1');
const ONE_END = Buffer.from('\x10limit\0\x01\0\0\0\0', 'latin1');

/**
 * `{q: key, u: update, upsert: true}`: the document becomes this one, whether it is there or not. With operators as the
 * update: changes fields.
 */
export class UpdateStatement implements RawStatement {
  readonly size: number;
  readonly #key: Uint8Array;
  readonly #update: Uint8Array;

  constructor(key: Uint8Array, update: Uint8Array) {
    this.#key = key;
    this.#update = update;
    this.size = 4 + Q_FIELD.length + key.length + U_DOCUMENT.length + update.length + UPSERT_END.length;
  }

  writeTo(target: Buffer, at: number): number {
    let next = target.writeInt32LE(this.size, at);
    next = put(target, next, Q_FIELD);
    next = put(target, next, this.#key);
    next = put(target, next, U_DOCUMENT);
    next = put(target, next, this.#update);
    return put(target, next, UPSERT_END);
  }
}

/** `{q: key, u: operators}`: changes fields of the document, if it is there. */
export class ChangeStatement implements RawStatement {
  readonly size: number;
  readonly #key: Uint8Array;
  readonly #update: Uint8Array;

  constructor(key: Uint8Array, update: Uint8Array) {
    this.#key = key;
    this.#update = update;
    this.size = 4 + Q_FIELD.length + key.length + U_DOCUMENT.length + update.length + 1;
  }

  writeTo(target: Buffer, at: number): number {
    let next = target.writeInt32LE(this.size, at);
    next = put(target, next, Q_FIELD);
    next = put(target, next, this.#key);
    next = put(target, next, U_DOCUMENT);
    next = put(target, next, this.#update);
    target[next] = 0;
    return next + 1;
  }
}

/** `{q: key, limit: 1}`. */
export class DeleteStatement implements RawStatement {
  readonly size: number;
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
    this.size = 4 + Q_FIELD.length + key.length + ONE_END.length;
  }

  writeTo(target: Buffer, at: number): number {
    let next = target.writeInt32LE(this.size, at);
    next = put(target, next, Q_FIELD);
    next = put(target, next, this.#key);
    return put(target, next, ONE_END);
  }
}

function put(target: Buffer, at: number, bytes: Uint8Array): number {
  target.set(bytes, at);
  return at + bytes.length;
}
