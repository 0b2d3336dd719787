import { setTimeout as delay } from 'node:timers/promises';
import type { MongoClient } from 'mongodb';
import { NamespaceCache } from '../../bson/namespace-cache.ts';
import type { CursorReply } from '../../bson/reply.ts';
import { clusterTimeOfToken } from '../../bson/resume-token.ts';
import type { PositionBinding } from '../../core/checkpoint.ts';
import { compareClusterTime, formatClusterTime } from '../../core/cluster-time.ts';
import type { ConnectorContext } from '../../core/connector.ts';
import { asSluiceError, SluiceError } from '../../core/failure.ts';
import type { Position } from '../../core/position.ts';
import type { ReadFrom, SourceWindow } from '../../core/source.ts';
import { BatchSize } from './batch-size.ts';
import { runCommand } from './client.ts';
import type { MongodbSourceConfig } from './config.ts';
import { type Deployment, operationTimeOf, splitsLargeEvents } from './deployment.ts';
import { EventBatches } from './event-batches.ts';
import { streamClient } from './member-choice.ts';
import { oplogWindow } from './oplog-window.ts';
import { positionLost } from './position-lost.ts';
import { RawCursor } from './raw-cursor.ts';
import { configuredStart, resumedStart, type StreamStart, startAfterFailure, startBehind } from './resume.ts';
import { describeScope, type Scope } from './scope.ts';
import type { StreamBatch } from './snapshot/anchor.ts';
import { type LargeEvents, streamPipeline, streamTarget } from './stream-pipeline.ts';

/** An answer with fewer events is worth waiting a moment before the next question. */
const FEW_EVENTS = 500;

/** How long the server may wait for a change while something else wants to know how far the stream is (ms). */
const EAGER_AWAIT_MS = 100;
/** The same right after an answer with changes: whether there are more of the same time is known one answer later. */
const EAGER_AWAIT_BEHIND_CHANGES_MS = 10;

/** What a change stream is read with. */
export interface ChangeStreamParts {
  readonly config: MongodbSourceConfig;
  readonly context: ConnectorContext;
  readonly scope: Scope;
  readonly client: MongoClient;
  readonly deployment: Deployment;
  readonly binding: PositionBinding;
  /** True while answers should come often, so that it is known how far the stream is. */
  readonly eager: () => boolean;
}

/** Where a read begins: behind a position, where the configuration says (undefined), or now. */
export type ChangesFrom = ReadFrom | 'now' | undefined;

/** The change stream of a scope, kept going over everything that a new cursor can mend. */
export class ChangeStream {
  readonly #parts: ChangeStreamParts;
  readonly #namespaces = new NamespaceCache();
  /** Where a read from `now` began, so that repeating it before the first checkpoint leaves no gap. */
  #origin: Position | undefined;

  constructor(parts: ChangeStreamParts) {
    this.#parts = parts;
  }

  /** As `Source.read`. */
  async *read(from: ChangesFrom, signal: AbortSignal): AsyncGenerator<StreamBatch> {
    if (signal.aborted) return;
    let start = await this.#start(from, signal);
    for (;;) {
      const batches = this.#batchesFrom(start);
      try {
        yield* this.#stream(start, batches, signal);
        start = this.#behindEnd(start, batches.position);
      } catch (error) {
        if (signal.aborted) return;
        start = await this.#afterFailure(start, batches, error, signal);
      }
    }
  }

  /** What the oplog holds; undefined when that cannot be known. */
  window(signal: AbortSignal): Promise<SourceWindow | undefined> {
    const { client, config, deployment } = this.#parts;
    if (deployment.kind === 'sharded') return Promise.resolve(undefined);
    return oplogWindow(client, config.readPreference, signal);
  }

  /**
   * The batches of one cursor, until the server ends it (after `invalidate`) or an event that came without its images
   * is behind us. While the consumer works on a batch, the next one is on its way; never more than that.
   */
  async *#stream(start: StreamStart, batches: EventBatches, signal: AbortSignal): AsyncGenerator<StreamBatch> {
    const { client, config, deployment } = this.#parts;
    const sharded = deployment.kind === 'sharded';
    await using reader = await streamClient({ client, readPreference: config.readPreference, sharded }, signal);
    await using cursor = this.#cursor(reader.client, start, signal);
    const ask = new BatchSize({ events: config.batchSize, bytes: config.batchBytes });
    // From now on: an empty first answer gives the token of this moment before any event can come.
    const fromNow = start.point.kind === 'now';
    let asked = fromNow ? 0 : ask.size;
    let reply = await cursor.open(asked);
    for (;;) {
      const batch = batches.next(reply, asked);
      ask.observe(reply.events.length, reply.bytes);
      const done = reply.id === 0n || (start.dropImages && batch?.events.some((event) => event.degraded !== undefined));
      asked = ask.size;
      const next = done ? undefined : this.#next(cursor, { asked, previous: reply }, signal);
      // A failure is thrown when the consumer comes for the batch; until then nobody waits for it.
      next?.catch(() => {});
      if (batch !== undefined) {
        if (fromNow) this.#origin ??= batch.position;
        yield batch;
      }
      if (next === undefined) return;
      reply = await next;
    }
  }

  /** Asks for the next answer; after one with only a few changes, once a few more may have gathered. */
  async #next(
    cursor: RawCursor,
    { asked, previous }: { asked: number; previous: CursorReply },
    signal: AbortSignal,
  ): Promise<CursorReply> {
    const { linger } = this.#parts.config;
    const few = previous.events.length > 0 && previous.events.length < FEW_EVENTS;
    if (few && linger > 0) await delay(linger, undefined, { signal });
    if (!this.#parts.eager()) return cursor.next(asked);
    const eagerMs = previous.events.length > 0 ? EAGER_AWAIT_BEHIND_CHANGES_MS : EAGER_AWAIT_MS;
    return cursor.next(asked, Math.min(eagerMs, this.#parts.config.maxAwaitTime));
  }

  #cursor(client: MongoClient, start: StreamStart, signal: AbortSignal): RawCursor {
    const { config, context, scope } = this.#parts;
    return new RawCursor({
      client,
      ...streamTarget(scope),
      pipeline: streamPipeline(config, scope, start.point, this.#largeEvents(start)),
      readPreference: config.readPreference,
      comment: `sluice ${context.partition}`,
      maxAwaitMs: config.maxAwaitTime,
      answerMs: config.answerTimeout,
      logger: context.logger,
      signal,
    });
  }

  #batchesFrom(start: StreamStart): EventBatches {
    const { skipThrough } = start;
    return new EventBatches({
      skipThrough,
      split: this.#largeEvents(start) === 'split',
      namespaces: this.#namespaces,
    });
  }

  #largeEvents(start: StreamStart): LargeEvents {
    if (start.dropImages) return 'drop-images';
    return splitsLargeEvents(this.#parts.deployment.version) ? 'split' : 'fail';
  }

  #start(from: ChangesFrom, signal: AbortSignal): Promise<StreamStart> | StreamStart {
    if (from === 'now') return configuredStart('now');
    return from === undefined ? this.#firstStart(signal) : this.#resume(from);
  }

  async #firstStart(signal: AbortSignal): Promise<StreamStart> {
    if (this.#origin !== undefined) return startBehind(this.#origin);
    const start = configuredStart(this.#parts.config.startAt);
    if (start.point.kind === 'time') await this.#refuseFuture(start.point.clusterTime, signal);
    if (start.point.kind === 'after') await this.#refuseFuture(clusterTimeOfToken(start.point.token), signal);
    return start;
  }

  /** The server accepts a start in the future without a word, and then nothing comes. */
  async #refuseFuture(time: Position['clusterTime'], signal: AbortSignal): Promise<void> {
    const context = {
      client: this.#parts.client,
      phase: 'connect',
      doing: 'ask for the cluster time',
      signal,
    } as const;
    // Not by the read preference: a secondary that lags behind would call the present the future.
    const now = operationTimeOf(await runCommand(context, 'admin', { ping: 1 }, 'primaryPreferred'));
    if (compareClusterTime(time, now) <= 0) return;
    throw new SluiceError(
      `startAt is in the future: ${formatClusterTime(time)}, while the deployment is at ${formatClusterTime(now)}`,
      { kind: 'config', code: 'mongodb.start-in-future', hint: 'Correct source.mongodb.startAt.' },
    );
  }

  #resume(from: ReadFrom): StreamStart {
    const start = resumedStart(from, this.#parts.binding);
    if (start.skipThrough !== undefined) {
      const at = formatClusterTime(from.position.clusterTime);
      this.#parts.context.logger.info(
        { at },
        'what the stream selects has changed: continuing at the time of the checkpoint',
      );
    }
    return start;
  }

  /** The server ended the cursor: the watched collection or database was dropped or renamed. It goes on behind that. */
  #behindEnd(start: StreamStart, position: Position | undefined): StreamStart {
    const { logger } = this.#parts.context;
    const next = position === undefined ? start : startBehind(position);
    const stuck = next.point.kind === 'after' && start.point.kind === 'after' && next.point.token === start.point.token;
    if (position === undefined || stuck) throw endedAtOnce();
    const at = formatClusterTime(position.clusterTime);
    const reason = start.dropImages ? 'a change that was too large has passed' : 'the server ended the stream';
    logger.info({ scope: describeScope(this.#parts.scope), at }, `${reason}: opening it again behind that`);
    return next;
  }

  async #afterFailure(
    start: StreamStart,
    batches: EventBatches,
    thrown: unknown,
    signal: AbortSignal,
  ): Promise<StreamStart> {
    const error = asSluiceError(thrown);
    const next = startAfterFailure(start, error, batches);
    const { logger } = this.#parts.context;
    if (next?.dropImages === true) {
      logger.warn({ code: error.code }, 'a change is too large for the server to send: reading it without its images');
      return next;
    }
    if (next !== undefined) {
      logger.warn(
        { code: error.code },
        'the server refuses the resume token: continuing at the time of the checkpoint',
      );
      return next;
    }
    if (error.kind === 'position-lost') throw await this.#describeLoss(start, batches.position, error, signal);
    throw error;
  }

  async #describeLoss(
    start: StreamStart,
    position: Position | undefined,
    cause: SluiceError,
    signal: AbortSignal,
  ): Promise<SluiceError> {
    const { point } = start;
    const from =
      position?.clusterTime ??
      (point.kind === 'time'
        ? point.clusterTime
        : point.kind === 'after'
          ? clusterTimeOfToken(point.token)
          : undefined);
    if (from === undefined) return cause;
    const window = await this.window(signal).catch(() => undefined);
    const { scope } = this.#parts;
    return positionLost({ scope, from, oldest: window?.oldest, nowMs: Date.now(), cause: cause.cause });
  }
}

function endedAtOnce(): SluiceError {
  return new SluiceError('the server ended the change stream without a reason and without going on', {
    kind: 'transient',
    code: 'mongodb.stream-ended',
    hint: 'Sluice opens it again with backoff. If it stays so, look into the log of the server.',
  });
}
