import { createHash } from 'node:crypto';
import type { Decoder } from '../../core/broker-message.ts';
import type { ChangeEvent } from '../../core/change-event.ts';
import type { CheckpointStore, PositionBinding } from '../../core/checkpoint.ts';
import type { ClusterTime } from '../../core/cluster-time.ts';
import type { SourceContext } from '../../core/connector.ts';
import { asSluiceError, SluiceError } from '../../core/failure.ts';
import type { Position } from '../../core/position.ts';
import type { PartOffset, ReadFrom, Source, SourceBatch, SourceGap } from '../../core/source.ts';
import { classifyNatsError } from './classify.ts';
import type { NatsClient } from './client.ts';
import type { NatsSourceConfig } from './config.ts';
import type { ConsumerName } from './consumer-setup.ts';
import { type DeliveredMessage, headersOf } from './delivered-message.ts';
import { recordPrefixOf } from './own-records.ts';
import { ReadingOrder } from './reading-order.ts';
import { StreamPart } from './stream-part.ts';
import { WakeUp } from './wake-up.ts';

/** Most messages in one batch. */
const BATCH_MESSAGES = 1000;
const RELEASE_LIMIT_MS = 5000;
/** How often to look at a consumer whose messages are held. */
const LOOK_AGAIN_MS = 100;

/** What a source is made of; it owns the client from now on. */
export interface StreamSourceParts {
  readonly config: NatsSourceConfig;
  readonly context: SourceContext;
  readonly decoder: Decoder;
  readonly client: NatsClient;
  readonly names: readonly ConsumerName[];
  /** True when limits of the stream may remove messages that nobody has read. */
  readonly removesMessages: boolean;
}

/**
 * Reads the parts of a stream that are pinned to this worker, in one order of its own. Messages are acknowledged behind
 * the sink; the server hears about the others in time, however slow the sink is, from the first read to the disposal.
 */
export class StreamSource implements Source {
  readonly binding: PositionBinding;
  readonly checkpoints: CheckpointStore;
  readonly #source: StreamSourceParts;
  readonly #parts: readonly StreamPart[];
  readonly #order = new ReadingOrder<StreamPart>();
  readonly #wakeUp = new WakeUp();
  readonly #closing = new AbortController();
  readonly #ownSubjects: string;
  #background: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failure: { readonly error: unknown } | undefined;
  #turn = 0;
  #skippedFrom: ClusterTime | undefined;
  #gap: SourceGap | undefined;

  constructor(source: StreamSourceParts) {
    this.#source = source;
    const { config, client, context, names, removesMessages } = source;
    const { stream, subjects, partitions } = config;
    const fingerprint = createHash('sha256')
      .update(JSON.stringify([stream, subjects, partitions]))
      .digest('hex');
    this.binding = { deployment: `nats/${stream}`, fingerprint: fingerprint.slice(0, 16) };
    this.#ownSubjects = `${recordPrefixOf(config)}.`;
    this.#parts = names.map(
      (name) =>
        new StreamPart({
          config,
          name,
          client,
          removesMessages,
          policy: context.onPositionLost,
          logger: context.logger,
          onSkipped: () => {
            this.#skippedFrom ??= this.#order.time;
          },
          onNews: () => this.#wakeUp.ring(),
          onFailure: (error) => this.#fail(error),
        }),
    );
    this.checkpoints = {
      claim: async () => ({ epoch: 0, checkpoint: undefined }),
      save: async (_checkpoint, signal) => {
        await Promise.all(this.#parts.map((part) => part.confirm(signal)));
      },
      async [Symbol.asyncDispose]() {},
    };
    void client.broken.then((error) => this.#fail(classifyNatsError(error, 'read')));
  }

  get gap(): SourceGap | undefined {
    return this.#gap;
  }

  async *read(_from: ReadFrom | undefined, signal: AbortSignal): AsyncGenerator<SourceBatch, void, void> {
    this.#start();
    let quietSinceMs = performance.now();
    for (;;) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure.error;
      const batch = this.#next();
      const waitMs = quietSinceMs + this.#source.config.maxAwaitTime - performance.now();
      if (batch === undefined && waitMs > 0) {
        await this.#wakeUp.wait(waitMs, signal);
        continue;
      }
      yield batch ?? this.#heartbeat();
      quietSinceMs = performance.now();
    }
  }

  acknowledged(position: Position): void {
    this.#order.acknowledge(position);
  }

  /** Throws `nats.pin-lost` unless everything in flight is certainly still this worker's. */
  ensureOwned(): void {
    for (const part of this.#parts) part.ensureOwned();
  }

  offsets(): readonly PartOffset[] {
    return this.#parts.filter(({ isStandby }) => !isStandby).map(({ offset }) => offset);
  }

  async window(): Promise<undefined> {
    return undefined;
  }

  /** Tells the server what is acknowledged, gives the rest back, lets other workers take over, and disconnects. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { context, client } = this.#source;
    const signal = AbortSignal.timeout(RELEASE_LIMIT_MS);
    const released = await Promise.allSettled(this.#parts.map((part) => this.#release(part, signal)));
    this.#closing.abort();
    clearInterval(this.#timer);
    await this.#background;
    await client[Symbol.asyncDispose]();
    for (const outcome of released) {
      if (outcome.status === 'fulfilled') continue;
      const { code, message: reason } = asSluiceError(outcome.reason);
      context.logger.warn({ code, reason }, 'messages could not be given back: they come again after `ackWait`');
    }
  }

  async #release(part: StreamPart, signal: AbortSignal): Promise<void> {
    if (this.#background === undefined) return;
    await part.stop(signal);
    await part.release(signal);
  }

  #start(): void {
    for (const part of this.#parts) part.start();
    const everyMs = Math.min(this.#source.config.ackWait, this.#source.config.pinTimeout) / 8;
    this.#timer = setInterval(() => {
      for (const part of this.#parts) part.keep();
    }, everyMs);
    const { signal } = this.#closing;
    this.#background = Promise.all(this.#parts.map((part) => this.#watch(part, signal))).then(
      () => undefined,
      (error) => {
        if (!signal.aborted) this.#fail(error);
      },
    );
  }

  /** Looks at a part about once a second, and soon where messages are held until then. */
  async #watch(part: StreamPart, signal: AbortSignal): Promise<void> {
    for (let lookedMs = Number.NEGATIVE_INFINITY; !signal.aborted; ) {
      const { maxAwaitTime } = this.#source.config;
      if (part.needsLook || performance.now() - lookedMs >= maxAwaitTime) {
        await part.look(signal);
        lookedMs = performance.now();
      }
      await pause(LOOK_AGAIN_MS, signal);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error: this.#goOn(error) };
    this.#wakeUp.ring();
  }

  /** A consumer that was deleted is created anew where the policy says to go on. */
  #goOn(error: unknown): unknown {
    const { onPositionLost, logger } = this.#source.context;
    if (!(error instanceof SluiceError) || error.code !== 'nats.consumer-gone' || onPositionLost !== 'skip')
      return error;
    logger.error({ code: error.code }, `${error.message}: it is created anew`);
    const { message, code, hint } = error;
    return new SluiceError(message, { kind: 'transient', code, hint, cause: error });
  }

  /** The next messages, from the parts in turn; undefined when nothing waits. */
  #next(): SourceBatch | undefined {
    for (let count = this.#parts.length; count > 0; count--) {
      this.#turn = (this.#turn + 1) % this.#parts.length;
      const part = this.#parts[this.#turn] as StreamPart;
      const messages = part.take(BATCH_MESSAGES);
      if (messages.length > 0) return this.#handOut(part, messages);
    }
    return undefined;
  }

  #handOut(part: StreamPart, messages: readonly DeliveredMessage[]): SourceBatch {
    const events: ChangeEvent[] = [];
    let bytes = 0;
    for (const message of messages) {
      const position = this.#order.next(message.timestampMs);
      const event = this.#eventOf(message, position);
      if (event === undefined) continue;
      events.push(event);
      bytes += event.size;
    }
    this.#order.handOut(part, messages.length);
    this.#noteGap();
    return this.#batch(events, bytes);
  }

  #eventOf({ subject, sequence, payload, headers, timestampMs }: DeliveredMessage, position: Position) {
    // Owners and checkpoints of the pipeline that writes the stream.
    if (subject.startsWith(this.#ownSubjects)) return undefined;
    return this.#source.decoder.decode({
      topic: subject,
      place: `${this.#source.config.stream}@${sequence}`,
      sequence,
      key: null,
      value: payload,
      headers: headersOf(headers),
      timestampMs,
      position,
    });
  }

  #noteGap(): void {
    if (this.#skippedFrom === undefined) return;
    this.#gap = { from: this.#skippedFrom, to: this.#order.time, atMs: Date.now() };
    this.#skippedFrom = undefined;
  }

  #heartbeat(): SourceBatch {
    if (this.#isCaughtUp()) this.#order.caughtUp();
    return this.#batch([], 0);
  }

  #batch(events: readonly ChangeEvent[], bytes: number): SourceBatch {
    const takenOver = this.#parts.filter((part) => part.wasTakenOver()).length > 0;
    const { position } = this.#order;
    return { events, bytes, position, caughtUp: this.#isCaughtUp(), ...(takenOver ? { takenOver } : {}) };
  }

  #isCaughtUp(): boolean {
    return this.#parts.every(({ isAtEnd }) => isAtEnd);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}
