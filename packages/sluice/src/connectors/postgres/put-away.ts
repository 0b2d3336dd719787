import type { Envelope } from '../../core/envelope.ts';
import type { Rejection, WriteContext } from '../../core/sink.ts';

/** Hands rejections over once each, however often a transaction is repeated. */
export class PutAway {
  readonly #context: Pick<WriteContext, 'reject'>;
  readonly #known = new Set<Envelope>();

  constructor(context: Pick<WriteContext, 'reject'>) {
    this.#context = context;
  }

  /** How many there were. */
  get count(): number {
    return this.#known.size;
  }

  /** Throws when there is nowhere to put them. */
  async handOver(rejections: readonly Rejection[]): Promise<void> {
    const news = rejections.filter(({ envelope }) => !this.#known.has(envelope));
    if (news.length === 0) return;
    await this.#context.reject(news);
    for (const { envelope } of news) this.#known.add(envelope);
  }
}
