import type { Checkpoint } from '../core/checkpoint.ts';
import type { DeadLetterStore } from '../core/dead-letter.ts';
import type { Envelope } from '../core/envelope.ts';
import type { Logger } from '../core/logger.ts';
import type { Rejection, Sink } from '../core/sink.ts';
import type { Telemetry } from '../core/telemetry.ts';
import { type DeadLetterContext, documentOf, parkedBehind, putRejections } from './dead-letters.ts';
import type { ParkedKeys } from './parked-keys.ts';
import type { Progress } from './progress.ts';
import type { Prepared } from './run-steps.ts';

/** What a writer works with. */
export interface WriterParts {
  readonly sink: Sink;
  readonly deadLetters: DeadLetterStore | undefined;
  /** Set when later changes wait behind a dead letter of their document. */
  readonly parked: ParkedKeys | undefined;
  readonly context: DeadLetterContext;
  readonly progress: Progress;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly ensureOwned: () => void;
  readonly signal: AbortSignal;
}

/** Brings events to the sink or to the dead letters, and accounts for each of them. */
export class Writer {
  readonly #parts: WriterParts;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** Resolves when every event has ended. False when nothing of it was for the sink, which then knows no checkpoint. */
  async write(items: readonly Prepared[], checkpoint: Checkpoint): Promise<boolean> {
    const { sink, signal, progress, telemetry } = this.#parts;
    const free = await this.#withoutRefused(items);
    const [oldest] = free;
    if (oldest === undefined) return false;
    this.#parts.ensureOwned();
    const startedMs = performance.now();
    let rejected = 0;
    const result = await sink.write(free, {
      checkpoint,
      signal,
      ensureOwned: this.#parts.ensureOwned,
      reject: async (rejections) => {
        await this.#putAway(rejections);
        rejected += rejections.length;
      },
    });
    const ended = result.delivered + result.filtered + rejected;
    if (ended !== free.length) throw new Error(`the sink accounted for ${ended} of ${free.length} events`);
    progress.acknowledged(result, rejected);
    const bytes = free.reduce((sum, { event }) => sum + event.size, 0);
    telemetry.batch(free.length, bytes, (performance.now() - startedMs) / 1000);
    telemetry.latency(Math.max(0, Date.now() - oldest.event.sourceTimeMs) / 1000);
    return true;
  }

  /** Puts away, in order, what a step refused and what has to wait behind a dead letter; returns the rest. */
  async #withoutRefused(items: readonly Prepared[]): Promise<readonly Envelope[]> {
    const { parked, signal, progress } = this.#parts;
    if (parked !== undefined && items.some((item) => this.#waits(item))) await parked.refresh(signal);
    const free: Envelope[] = [];
    const rejections: Rejection[] = [];
    let known = 0;
    for (const item of items) {
      const { envelope, error } = item;
      const waits = this.#waits(item);
      if (waits && parked?.holds(envelope.event.id) === true) known += 1;
      else if (error !== undefined) rejections.push({ envelope, error });
      else if (waits) rejections.push({ envelope, error: parkedBehind() });
      else free.push(envelope);
    }
    if (known + rejections.length === 0) return free;
    await this.#putAway(rejections);
    progress.acknowledged({ delivered: 0, filtered: 0 }, known + rejections.length);
    return free;
  }

  #waits({ envelope }: Prepared): boolean {
    const { parked, context } = this.#parts;
    if (parked === undefined) return false;
    const document = documentOf(envelope.event, context);
    return document !== undefined && parked.has(document);
  }

  async #putAway(rejections: readonly Rejection[]): Promise<void> {
    const { parked, deadLetters, context, signal, telemetry, logger } = this.#parts;
    if (rejections.length === 0) return;
    const put = () => putRejections(rejections, deadLetters, { context, signal });
    const letters = rejections.map(({ envelope: { event } }) => ({
      eventId: event.id,
      document: documentOf(event, context),
    }));
    await (parked === undefined ? put() : parked.put(letters, put));
    for (const { error, envelope } of rejections) {
      telemetry.deadLetter(error.code);
      const { id, op } = envelope.event;
      logger.warn({ code: error.code, event: id, op, reason: error.message }, 'event dead-lettered');
    }
  }
}
