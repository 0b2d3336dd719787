import type { Envelope } from '../core/envelope.ts';
import { SluiceError } from '../core/failure.ts';
import type { EncodedRecord, Format } from '../core/format.ts';
import type { Rejection, Sink, SinkLimits, WriteContext, WriteResult } from '../core/sink.ts';

/** A record that a memory sink holds. */
export interface MemoryRecord {
  readonly eventId: string;
  readonly record: EncodedRecord;
}

/** How a memory sink behaves. */
export interface MemorySinkOptions {
  readonly limits?: Partial<SinkLimits>;
  /** Called before a batch becomes durable; may wait or throw. */
  readonly before?: (batch: readonly Envelope[], context: WriteContext) => void | Promise<void>;
  /** Asked when the sink is opened: resolves when it breaks by itself. */
  readonly broken?: () => Promise<SluiceError>;
  /** Called after a batch became durable, before it is acknowledged; a throw is a lost acknowledgement. */
  readonly after?: (batch: readonly Envelope[]) => void | Promise<void>;
}

/**
 * A sink that appends to an array: the reference for the sink contract. Writes of one sink happen in call order, unless it
 * has lanes.
 */
export function memorySink(place: MemoryRecord[], format: Format, options: MemorySinkOptions = {}): Sink {
  let chain: Promise<unknown> = Promise.resolve();
  const limits: SinkLimits = { records: 100, bytes: 1_000_000, batchesInFlight: 1, ...options.limits };
  return {
    limits,
    broken: options.broken?.(),
    write(batch, context) {
      const work = () => writeBatch(place, format, { batch, context, options });
      const write = limits.lanes === undefined ? chain.then(work) : work();
      chain = write;
      return write;
    },
    async [Symbol.asyncDispose]() {},
  };
}

interface Write {
  readonly batch: readonly Envelope[];
  readonly context: WriteContext;
  readonly options: MemorySinkOptions;
}

async function writeBatch(place: MemoryRecord[], format: Format, write: Write): Promise<WriteResult> {
  const { batch, context, options } = write;
  await options.before?.(batch, context);
  const records: MemoryRecord[] = [];
  const rejections: Rejection[] = [];
  for (const envelope of batch) {
    try {
      const record = format.encode(envelope);
      if (record !== undefined) records.push({ eventId: envelope.event.id, record });
    } catch (error) {
      if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
      rejections.push({ envelope, error });
    }
  }
  await context.reject(rejections);
  place.push(...records);
  await options.after?.(batch);
  return { delivered: records.length, filtered: batch.length - records.length - rejections.length };
}
