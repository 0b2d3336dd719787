import type { OnPositionLost } from '../../core/connector.ts';
import type { Logger } from '../../core/logger.ts';
import { type Gap, positionLost } from './consumer-problems.ts';

/** What is needed to judge gaps. */
export interface StreamGapsOptions {
  readonly durable: string;
  /** True when every gap has to be looked at: all messages are for this consumer, and limits may remove them. */
  readonly watched: boolean;
  readonly policy: OnPositionLost;
  readonly logger: Logger;
  /** Messages were lost, and the policy says to go on. */
  readonly onSkipped: () => void;
}

/**
 * Gaps in the sequences of a consumer. Messages that are missing may have been deleted one by one, which is fine, or
 * removed by a limit of the stream before anybody had read them: then the stream begins behind where the gap begins.
 */
export class StreamGaps {
  readonly #options: StreamGapsOptions;
  #open: readonly Gap[] = [];

  constructor(options: StreamGapsOptions) {
    this.#options = options;
  }

  /** Gaps that nobody has judged; nothing may be handed out as long as there are any. */
  get open(): readonly Gap[] {
    return this.#open;
  }

  /** The message `expected` was to come, and `next` came. */
  note(expected: number, next: number): void {
    if (next <= expected || !this.#options.watched) return;
    this.#open = [...this.#open, { from: expected, to: next - 1 }];
  }

  /**
   * Judges these gaps by the first sequence that the stream had after they were noted. Throws `nats.position-lost`
   * where messages must not be skipped.
   */
  judge(gaps: readonly Gap[], firstSequence: number): void {
    this.#open = this.#open.filter((gap) => !gaps.includes(gap));
    const { durable, policy, logger, onSkipped } = this.#options;
    for (const { from, to } of gaps) {
      if (firstSequence <= from) continue;
      const lost = { from, to: Math.min(to, firstSequence - 1) };
      const error = positionLost(durable, lost);
      if (policy !== 'skip') throw error;
      logger.error({ code: error.code, ...lost }, `${error.message}: skipped`);
      onSkipped();
    }
  }
}
