import type { Writable } from 'node:stream';
import type { SinkContext } from '../../core/connector.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Sink, SinkLimits, WriteContext, WriteResult } from '../../core/sink.ts';
import { classify, errnoOf } from './classify.ts';
import type { StdoutSinkConfig } from './config.ts';
import { appendRecord, framingOf } from './record-writer.ts';
import { shapeBatch } from './shape-batch.ts';

/**
 * Code of the error when the reader of the stream has gone (`sluice tail | head`). It is the end that the reader
 * wanted: a command whose pipeline failed with this code exits 0 without a word.
 */
export const STREAM_CLOSED = 'stream.closed';

/** Small batches: a person or a program is waiting for each of them. */
const LIMITS: SinkLimits = { records: 1_000, bytes: 1024 * 1024, batchesInFlight: 1 };

/** What an envelope looks like on the stream, line end included; undefined leaves it out (filtered). */
export type RenderEnvelope = (envelope: Envelope) => string | Buffer | undefined;

/** How a stream sink behaves. */
export interface StreamSinkOptions {
  /**
   * Called once when the reader has gone, before the write fails with `STREAM_CLOSED`. When it aborts the signal of
   * the writes, they end with that abort instead, so that nothing looks like a failure.
   */
  readonly onClosed?: (() => void) | undefined;
}

/**
 * A sink over a stream that is not its own: `write` resolves when the stream has passed everything on, which is the
 * back-pressure; disposal leaves the stream open.
 */
export function openStreamSink(stream: Writable, render: RenderEnvelope, options: StreamSinkOptions = {}): Sink {
  return new StreamSink(stream, render, options);
}

/** The `stdout` sink: the lines of the file sink. */
export async function openStdoutSink(config: StdoutSinkConfig, { format }: SinkContext): Promise<Sink> {
  const layout = { framing: framingOf(format), envelope: config.envelope };
  return openStreamSink(process.stdout, (envelope) => {
    const record = format.encode(envelope);
    if (record === undefined) return undefined;
    const pieces: Buffer[] = [];
    appendRecord(pieces, record, layout);
    return Buffer.concat(pieces);
  });
}

class StreamSink implements Sink {
  readonly limits = LIMITS;
  readonly #stream: Writable;
  readonly #render: RenderEnvelope;
  readonly #options: StreamSinkOptions;
  readonly #health: StreamHealth;
  #closedTold = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(stream: Writable, render: RenderEnvelope, options: StreamSinkOptions) {
    this.#stream = stream;
    this.#render = render;
    this.#options = options;
    this.#health = watch(stream);
  }

  write(batch: readonly Envelope[], context: WriteContext): Promise<WriteResult> {
    const write = this.#last.then(() => this.#write(batch, context));
    this.#last = write;
    return write;
  }

  async #write(batch: readonly Envelope[], context: WriteContext): Promise<WriteResult> {
    context.signal.throwIfAborted();
    const { shaped, rejections, filtered } = shapeBatch(batch, (envelope) => asBytes(this.#render(envelope)));
    if (rejections.length > 0) await context.reject(rejections);
    try {
      await this.#send(Buffer.concat(shaped), context.signal);
    } catch (error) {
      context.signal.throwIfAborted();
      throw this.#failed(error, context.signal);
    }
    return { delivered: shaped.length, filtered };
  }

  /** Resolves when the stream has handed the bytes on; an abort ends the waiting, not the writing. */
  async #send(bytes: Buffer, signal: AbortSignal): Promise<void> {
    if (this.#health.error !== undefined) throw this.#health.error;
    if (bytes.length === 0) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#stream.write(bytes, (error) => (error ? reject(error) : resolve()));
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #failed(error: unknown, signal: AbortSignal): SluiceError {
    if (!isClosed(error)) return classify(error, 'write to the output');
    if (!this.#closedTold) {
      this.#closedTold = true;
      this.#options.onClosed?.();
      signal.throwIfAborted();
    }
    return new SluiceError('the reader of the output has gone', {
      kind: 'config',
      code: STREAM_CLOSED,
      hint: 'Nothing to do: what reads the output decides when it ends.',
      cause: error,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last.catch(() => undefined);
  }
}

interface StreamHealth {
  /** What broke the stream, also between two writes. */
  error: Error | undefined;
}

const watched = new WeakMap<Writable, StreamHealth>();

/**
 * Listens to the stream's errors for as long as the stream lives: without a listener, a pipe that breaks after the sink
 * was closed would end the process.
 */
function watch(stream: Writable): StreamHealth {
  const known = watched.get(stream);
  if (known !== undefined) return known;
  const health: StreamHealth = { error: undefined };
  stream.on('error', (error: Error) => {
    health.error ??= error;
  });
  watched.set(stream, health);
  return health;
}

function asBytes(rendered: string | Buffer | undefined): Buffer | undefined {
  return typeof rendered === 'string' ? Buffer.from(rendered) : rendered;
}

const CLOSED = new Set(['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']);

function isClosed(error: unknown): boolean {
  return CLOSED.has(errnoOf(error) ?? '');
}
