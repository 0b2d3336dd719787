import { SluiceError } from '../core/failure.ts';
import { asBuffer, BsonType, bytesMatch, cstringEnd, documentEnd, findField, readInt32, valueEnd } from './elements.ts';

/** What a source needs of the `cursor` of an `aggregate` or `getMore` reply. */
export interface CursorReply {
  /** Zero when the server has closed the cursor. */
  readonly id: bigint;
  /** One slice of the reply per event, in stream order; nothing is copied, so they keep the reply alive. */
  readonly events: Uint8Array[];
  /** `_data` of the token behind the batch; undefined when the server sent none. */
  readonly postBatchResumeToken: string | undefined;
  /** Size of all events. */
  readonly bytes: number;
}

const FIRST_BATCH = Buffer.from('firstBatch');
const NEXT_BATCH = Buffer.from('nextBatch');

/**
 * Walks the raw `cursor` document of a reply. The events are only cut apart, not looked into: one that is damaged
 * inside fails later, alone. Throws `internal` when the reply itself is not what a server sends.
 */
export function parseCursorReply(cursorBson: Uint8Array): CursorReply {
  const cursor = asBuffer(cursorBson);
  try {
    return walkCursor(cursor);
  } catch (cause) {
    throw new SluiceError('the server sent a cursor reply that cannot be read', {
      kind: 'internal',
      code: 'mongodb.bad-reply',
      hint: 'Check what stands between this program and the server (proxies, service meshes).',
      cause,
    });
  }
}

function walkCursor(cursor: Buffer): CursorReply {
  const limit = documentEnd(cursor, 0, cursor.length) - 1;
  const events: Uint8Array[] = [];
  let id: bigint | undefined;
  let token: string | undefined;
  let bytes = 0;
  let at = 4;
  while (at < limit) {
    const type = cursor[at]!;
    const name = at + 1;
    const nameEnd = cstringEnd(cursor, name, limit);
    const value = nameEnd + 1;
    const end = valueEnd(cursor, type, value, limit);
    if (type === BsonType.array && isBatch(cursor, name, nameEnd)) bytes = splitBatch(cursor, value, events);
    else if (type === BsonType.int64 && nameEnd - name === 2 && cursor.toString('latin1', name, nameEnd) === 'id') {
      id = cursor.readBigInt64LE(value);
    } else if (type === BsonType.document && cursor.toString('latin1', name, nameEnd) === 'postBatchResumeToken') {
      token = tokenData(cursor.subarray(value, end));
    }
    at = end;
  }
  if (id === undefined) throw new Error('the cursor has no id');
  return { id, events, postBatchResumeToken: token, bytes };
}

function isBatch(cursor: Buffer, name: number, nameEnd: number): boolean {
  const expected = nameEnd - name === FIRST_BATCH.length ? FIRST_BATCH : NEXT_BATCH;
  return nameEnd - name === expected.length && bytesMatch(cursor, name, expected);
}

/** Cuts the array of documents at `start` into slices; returns how many bytes they have together. */
function splitBatch(cursor: Buffer, start: number, events: Uint8Array[]): number {
  const limit = documentEnd(cursor, start, cursor.length) - 1;
  let bytes = 0;
  let at = start + 4;
  while (at < limit) {
    if (cursor[at] !== BsonType.document) throw new Error('the batch holds something that is not a document');
    const value = cstringEnd(cursor, at + 1, limit) + 1;
    if (value + 4 > limit) throw new Error('the batch is cut off');
    const length = readInt32(cursor, value);
    if (length < 5 || value + length > limit) throw new Error('an event has an impossible length');
    events.push(cursor.subarray(value, value + length));
    bytes += length;
    at = value + length;
  }
  return bytes;
}

/** `_data` of a resume token document; undefined when it is not there. */
export function tokenData(token: Uint8Array): string | undefined {
  const data = findField(token, '_data');
  if (data?.type !== BsonType.string) return undefined;
  return asBuffer(data.bytes).toString('latin1', 4, data.bytes.length - 1);
}
