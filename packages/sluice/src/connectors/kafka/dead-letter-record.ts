import type { DeadLetter } from '../../core/dead-letter.ts';
import { SluiceError } from '../../core/failure.ts';

const FORMAT_VERSION = 1;

/** Start of the keys of a pipeline's entries. */
export function keyPrefix(pipeline: string): string {
  return `${encodeURIComponent(pipeline)}/`;
}

/** Key of an entry: pipeline and event id. */
export function deadLetterKey(pipeline: string, id: string): string {
  return keyPrefix(pipeline) + id;
}

/** How an entry is written. */
export interface DeadLetterEncoding {
  /** The raw event is left out when the text would be longer than this. */
  readonly limitBytes: number;
  /** Its place in the list, for an entry that was there before; that of a new one is its offset. */
  readonly sequence?: bigint | undefined;
}

/** The entry as JSON, with the raw event in base64. The place is right in front: it is read without the rest. */
export function encodeDeadLetter(letter: DeadLetter, { limitBytes, sequence }: DeadLetterEncoding): string {
  const { raw, clusterTime, ...rest } = letter;
  const place = sequence === undefined ? {} : { seq: Number(sequence) };
  const body = { v: FORMAT_VERSION, ...place, ...rest, clusterTime: [clusterTime.t, clusterTime.i] };
  const text = JSON.stringify({ ...body, raw: null });
  if (raw === undefined) return text;
  const encoded = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('base64');
  if (Buffer.byteLength(text) + encoded.length > limitBytes) return text;
  return JSON.stringify({ ...body, raw: encoded });
}

const PLACE = /^\{"v":\d+,"seq":(\d+)[,}]/;
const PLACE_BYTES = 64;

/** The place in the list that a record carries; undefined when it is the offset. */
export function sequenceIn(value: Buffer): bigint | undefined {
  const found = PLACE.exec(value.toString('latin1', 0, PLACE_BYTES))?.[1];
  return found === undefined ? undefined : BigInt(found);
}

/** The entry in a record. Throws `config` errors for other content; `where` names the place. */
export function decodeDeadLetter(value: Buffer, where: string): DeadLetter {
  try {
    const { v, seq: _, raw, clusterTime, ...rest } = JSON.parse(value.toString()) as Record<string, unknown>;
    if (v === FORMAT_VERSION) {
      const [t, i] = clusterTime as [number, number];
      return {
        ...(rest as unknown as Omit<DeadLetter, 'raw' | 'clusterTime'>),
        clusterTime: { t, i },
        raw: typeof raw === 'string' ? Buffer.from(raw, 'base64') : undefined,
      };
    }
  } catch {
    // Reported below, like any other content that is not an entry.
  }
  throw new SluiceError(`the record at ${where} is not a dead letter of this version`, {
    kind: 'config',
    code: 'dead-letter.damaged',
    hint: 'Write a record with the same key and no value to the topic to remove it.',
  });
}
