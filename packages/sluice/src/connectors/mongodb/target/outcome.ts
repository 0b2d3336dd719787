import type { Logger } from '../../../core/logger.ts';
import type { Rejection } from '../../../core/sink.ts';
import type { KeyFailure } from './apply.ts';
import type { MongodbSinkConfig } from './config.ts';

/** How much the clock of this machine and that of the source may differ. */
const CLOCK_MARGIN_MS = 60_000;
const LOG_INTERVAL_MS = 10_000;

/**
 * Decides what becomes of events that could not be applied. After a crash, changes are given again that the target has
 * already, together with later ones: then an update of fields may find a document in a later state, or none. That is no
 * error, and can only be so for changes from before the sink was opened.
 */
export class Outcomes {
  readonly #skipsMissing: boolean;
  readonly #logger: Logger;
  readonly #openedAtMs = Date.now();
  #loggedAtMs = -LOG_INTERVAL_MS;

  constructor(config: Pick<MongodbSinkConfig, 'missingDocument'>, logger: Logger) {
    this.#skipsMissing = config.missingDocument === 'skip';
    this.#logger = logger;
  }

  /** The events that cannot be accepted; none for a failure that is no error. */
  rejections({ plan, remedy, error }: KeyFailure): readonly Rejection[] {
    if (remedy === 'unmatched' && (this.#skipsMissing || this.#mayBeReplay(plan.last.event.sourceTimeMs))) {
      this.#logSkipped(error.message);
      return [];
    }
    // What the batch held back of the document builds on what is missing now.
    return plan.steps.map(({ envelope }) => ({ envelope, error }));
  }

  #mayBeReplay(sourceTimeMs: number): boolean {
    return sourceTimeMs < this.#openedAtMs + CLOCK_MARGIN_MS;
  }

  #logSkipped(reason: string): void {
    const nowMs = performance.now();
    if (nowMs - this.#loggedAtMs < LOG_INTERVAL_MS) return;
    this.#loggedAtMs = nowMs;
    this.#logger.warn({ reason }, 'an update without its document was skipped: what it changes is not in the target');
  }
}
