import { SluiceError } from '../../core/failure.ts';
import type { Logger } from '../../core/logger.ts';
import type { NatsClient } from './client.ts';
import type { OutgoingMessage } from './publisher.ts';
import { findStream } from './stream-setup.ts';
import { isCoveredBy } from './subject-template.ts';

/** More subjects than this are not remembered at once. */
const MOST_KNOWN = 10_000;

/** What the subjects of a stream are looked after with. */
export interface StreamSubjectsOptions {
  readonly client: NatsClient;
  readonly stream: string;
  /** The subjects that the stream takes now. */
  readonly subjects: readonly string[];
  /** True: the subjects of new collections may be added to the stream. */
  readonly mayAdd: boolean;
  readonly logger: Logger;
}

/**
 * Makes sure that the stream takes the subjects of messages before any is sent: nobody would answer one that it does
 * not take, and in the middle of a batch nobody would even say so.
 */
export class StreamSubjects {
  readonly #options: StreamSubjectsOptions;
  readonly #known = new Set<string>();
  #subjects: readonly string[];

  constructor(options: StreamSubjectsOptions) {
    this.#options = options;
    this.#subjects = options.subjects;
  }

  /** Adds the missing subjects where that is allowed; else throws a `config` error with the first of them. */
  async ensure(messages: readonly OutgoingMessage[], signal: AbortSignal): Promise<void> {
    const missing = new Set<string>();
    for (const { subject, filter } of messages) {
      if (this.#known.has(filter) || this.#isTaken(subject, filter)) continue;
      if (!this.#options.mayAdd) throw this.#notTaken(subject);
      missing.add(filter);
    }
    if (missing.size > 0) await this.#add([...missing], signal);
  }

  #isTaken(subject: string, filter: string): boolean {
    const takes = (wanted: string) => this.#subjects.some((taken) => isCoveredBy(wanted, taken));
    if (!takes(filter)) return takes(subject);
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.add(filter);
    return true;
  }

  async #add(filters: readonly string[], signal: AbortSignal): Promise<void> {
    const { client, stream, logger } = this.#options;
    this.#subjects = await client.run('stream', signal, async () => {
      const now = (await findStream(client, stream))?.subjects ?? [];
      const added = filters.filter((filter) => !now.some((taken) => isCoveredBy(filter, taken)));
      if (added.length === 0) return now;
      return (await client.manager.streams.update(stream, { subjects: [...now, ...added] })).config.subjects;
    });
    logger.info({ stream, subjects: filters }, 'subjects added to the stream');
  }

  #notTaken(subject: string): SluiceError {
    const { stream } = this.#options;
    return new SluiceError(`the stream "${stream}" does not take the subject "${subject}"`, {
      kind: 'config',
      code: 'nats.subject-not-taken',
      hint: `nats stream edit ${stream} --subjects '${[...this.#subjects, subject].join(',')}'`,
    });
  }
}
