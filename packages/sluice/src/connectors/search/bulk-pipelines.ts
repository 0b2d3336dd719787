import { isAbort } from '../../core/failure.ts';
import type { SearchClient } from './client.ts';

/** How long an index is believed to have no pipeline, or one: anybody can set one at any time. */
const BELIEVED_MS = 60_000;

interface Belief {
  readonly mayHave: boolean;
  readonly untilMs: number;
}

/**
 * Tells which writes may go through an ingest pipeline. A pipeline can drop documents, and with one both products may name the failed
 * items of an answer in another order, so that more of the answer is needed then.
 */
export class BulkPipelines {
  readonly #client: SearchClient;
  readonly #isConfigured: boolean;
  readonly #beliefs = new Map<string, Belief>();

  constructor(client: SearchClient, pipeline: string | undefined) {
    this.#client = client;
    this.#isConfigured = pipeline !== undefined;
  }

  /** True when a pipeline is configured, or one of these indexes has one, or does not tell. */
  async mayTouch(indexes: Iterable<string>, signal: AbortSignal): Promise<boolean> {
    if (this.#isConfigured) return true;
    for (const index of indexes) {
      const known = this.#beliefs.get(index);
      const isCurrent = known !== undefined && known.untilMs > performance.now();
      if (isCurrent ? known.mayHave : await this.#ask(index, signal)) return true;
    }
    return false;
  }

  async #ask(index: string, signal: AbortSignal): Promise<boolean> {
    const mayHave = await this.#read(index, signal);
    this.#beliefs.set(index, { mayHave, untilMs: performance.now() + BELIEVED_MS });
    return mayHave;
  }

  async #read(index: string, signal: AbortSignal): Promise<boolean> {
    const names = 'index.default_pipeline,index.final_pipeline';
    const path = `/${encodeURIComponent(index)}/_settings/${names}?flat_settings=true`;
    const doing = `read the settings of the index "${index}"`;
    try {
      const { status, value } = await this.#client.json<Readonly<Record<string, Found>>>({
        method: 'GET',
        path,
        doing,
        signal,
      });
      if (status !== 200) return true;
      return Object.values(value).some(({ settings }) =>
        Object.values(settings ?? {}).some((name) => name !== '_none'),
      );
    } catch (error) {
      if (isAbort(error, signal)) throw error;
      // The write itself tells what is wrong with the cluster.
      return true;
    }
  }
}

interface Found {
  readonly settings?: Readonly<Record<string, unknown>>;
}
