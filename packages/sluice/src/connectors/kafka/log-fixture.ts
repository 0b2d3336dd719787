import type { ReadableLog } from './checkpoint-reader.ts';
import type { LogBatch } from './log-reader.ts';

/*
 * Made-up batches of a log, for tests of what reads them.
 */

const TRANSACTIONAL = 1 << 4;
const CONTROL = 1 << 5;

/** What a batch of data holds; without a producer id it is not part of a transaction. */
export interface DataBatch {
  readonly producerId?: bigint;
  readonly keys?: readonly string[];
  readonly values?: readonly (string | null)[];
}

/** A batch with one record per key (one with the key `k` by default). */
export function data(offset: number, { producerId, keys = ['k'], values = [] }: DataBatch = {}): LogBatch {
  const records = keys.map((key, index) => record(index, Buffer.from(key), bytes(values[index])));
  return batch(offset, {
    records,
    producerId: producerId ?? -1n,
    attributes: producerId === undefined ? 0 : TRANSACTIONAL,
  });
}

/** The end of a transaction. */
export function control(offset: number, type: 'commit' | 'abort', producerId: bigint): LogBatch {
  const records = [record(0, Buffer.from([0, 0, 0, type === 'commit' ? 1 : 0]), Buffer.alloc(6))];
  return batch(offset, { records, producerId, attributes: TRANSACTIONAL | CONTROL });
}

/** A log of these batches that counts how many of them were read. */
export function logOf(batches: readonly LogBatch[], stable?: number): ReadableLog & { batchesRead: number } {
  const last = batches.at(-1);
  const end = last === undefined ? 0n : last.firstOffset + BigInt(last.lastOffsetDelta) + 1n;
  return {
    topic: 'checkpoints',
    batchesRead: 0,
    bounds: async () => ({
      start: batches[0]?.firstOffset ?? 0n,
      stable: stable === undefined ? end : BigInt(stable),
      end,
    }),
    async *read(from, to) {
      for (const each of batches) {
        if (each.firstOffset + BigInt(each.lastOffsetDelta) < from || each.firstOffset >= to) continue;
        this.batchesRead += 1;
        yield each;
      }
    },
  };
}

function bytes(text: string | null | undefined): Buffer | null {
  return text === null ? null : Buffer.from(text ?? 'v');
}

function record(offsetDelta: number, key: Buffer, value: Buffer | null): LogBatch['records'][number] {
  return { length: 0, attributes: 0, timestampDelta: 0n, offsetDelta, key, value, headers: [] };
}

function batch(offset: number, parts: Pick<LogBatch, 'records' | 'producerId' | 'attributes'>): LogBatch {
  return {
    firstOffset: BigInt(offset),
    lastOffsetDelta: parts.records.length - 1,
    length: 0,
    partitionLeaderEpoch: 0,
    magic: 2,
    crc: 0,
    firstTimestamp: 0n,
    maxTimestamp: 0n,
    producerEpoch: 0,
    firstSequence: 0,
    ...parts,
  };
}
