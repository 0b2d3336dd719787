import { BsonType, cstringEnd, documentEnd, findField, readInt32, valueEnd } from '../../bson/elements.ts';
import { SluiceError } from '../../core/failure.ts';

/**
 * Puts events together that `$changeStreamSplitLargeEvent` has cut: each piece repeats `_id`, adds `splitEvent`
 * ({fragment, of}) and carries some of the top-level fields. The whole gets the `_id` of the last piece, behind which
 * the stream can be resumed without repeating or losing a piece.
 */
export class SplitEvents {
  #pieces: Uint8Array[] = [];

  /** The event itself when it is whole, the merged event with its last piece, undefined while pieces are missing. */
  add(raw: Uint8Array): Uint8Array | undefined {
    const mark = findField(raw, 'splitEvent');
    if (mark?.type !== BsonType.document) return raw;
    const number = int32In(mark.bytes, 'fragment');
    const of = int32In(mark.bytes, 'of');
    if (number === 1) this.#pieces = [];
    if (number !== this.#pieces.length + 1) throw brokenSplit('a piece of it is missing');
    this.#pieces.push(raw);
    if (number < of) return undefined;
    const pieces = this.#pieces;
    this.#pieces = [];
    return mergePieces(pieces);
  }

  /** True while an event has begun and not ended; no position may be handed out then. */
  get unfinished(): boolean {
    return this.#pieces.length > 0;
  }
}

function mergePieces(pieces: readonly Uint8Array[]): Uint8Array {
  const last = pieces.at(-1) as Uint8Array;
  const elements = [...elementsOf(last, (name) => name === '_id')];
  for (const piece of pieces) elements.push(...elementsOf(piece, (name) => name !== '_id' && name !== 'splitEvent'));
  const length = elements.reduce((sum, element) => sum + element.length, 5);
  const whole = Buffer.alloc(length);
  whole.writeInt32LE(length, 0);
  let at = 4;
  for (const element of elements) {
    whole.set(element, at);
    at += element.length;
  }
  return whole;
}

/** The elements (type, name and value) of a document whose names are accepted. */
function* elementsOf(document: Uint8Array, accept: (name: string) => boolean): Generator<Uint8Array> {
  const limit = documentEnd(document, 0, document.length) - 1;
  let at = 4;
  while (at < limit) {
    const nameEnd = cstringEnd(document, at + 1, limit);
    const end = valueEnd(document, document[at] as number, nameEnd + 1, limit);
    if (accept(Buffer.from(document.subarray(at + 1, nameEnd)).toString('latin1'))) yield document.subarray(at, end);
    at = end;
  }
}

function int32In(document: Uint8Array, name: string): number {
  const value = findField(document, name);
  if (value?.type !== BsonType.int32) throw brokenSplit('its mark cannot be read');
  return readInt32(value.bytes, 0);
}

function brokenSplit(why: string): SluiceError {
  return new SluiceError(`the server sent a split event that cannot be put together: ${why}`, {
    kind: 'internal',
    code: 'mongodb.split-event',
    hint: 'Nothing was skipped. Report this error with the version of the server.',
  });
}
