import { findField } from '../../bson/elements.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Logger } from '../../core/logger.ts';
import type { BulkItem } from './bulk-request.ts';
import type { BulkWriter } from './bulk-writer.ts';
import type { SearchClient } from './client.ts';
import { pagesOf } from './document-pages.ts';

/** Query for the marks of deleted documents. */
export const IS_TOMBSTONE = { term: { '_sluice.deleted': true } };

/** What is written in the place of a deleted document. */
export function tombstone(nowMs = Date.now()): Buffer {
  return Buffer.from(JSON.stringify({ _sluice: { deleted: true, at: new Date(nowMs).toISOString() } }));
}

/** The field of tombstones. */
const MARK = '_sluice';

/**
 * Throws `search.reserved-field` (`rejected`) for a document of the source that would be taken for a tombstone, with the mode that
 * has them.
 */
export function refuseReserved(document: Uint8Array, mode: 'remove' | 'tombstone'): void {
  if (mode === 'remove' || findField(document, MARK) === undefined) return;
  throw new SluiceError(`a document has a field "${MARK}", which marks deleted documents here`, {
    kind: 'rejected',
    code: 'search.reserved-field',
    hint: 'Give the field another name with a transform, or set `deletes.mode: remove`.',
  });
}

/** How the end of something is written: removed, or replaced by a mark. */
export function gone(mode: 'remove' | 'tombstone', nowMs?: number): Pick<BulkItem, 'json'> {
  return mode === 'remove' ? {} : { json: tombstone(nowMs) };
}

/** What tombstones are purged with. */
export interface PurgeParts {
  readonly client: SearchClient;
  readonly writer: BulkWriter;
  readonly logger: Logger;
  readonly keepMs: number;
}

const FIRST_PURGE_MS = 60_000;
const SHORTEST_INTERVAL_MS = 60_000;
const LONGEST_INTERVAL_MS = 3_600_000;

/** Removes the tombstones of an index that were written before `beforeMs`, unless something newer is in their place. */
export async function purge(
  { client, writer }: Pick<PurgeParts, 'client' | 'writer'>,
  index: string,
  beforeMs: number,
  signal: AbortSignal,
): Promise<number> {
  const old = { range: { '_sluice.at': { lt: new Date(beforeMs).toISOString() } } };
  const query = { bool: { filter: [IS_TOMBSTONE, old] } };
  let removed = 0;
  for await (const hits of pagesOf(client, { index, query }, { signal })) {
    // With the version that was found, a document that came back in the meantime has a higher one and stays.
    const items = hits.map(({ id, version, routing }) => ({
      index,
      id,
      routing,
      version: { value: version, exact: false },
    }));
    await writer.write(items, { signal });
    removed += items.length;
  }
  return removed;
}

/** Purges, now and then, the indexes that were written to, until it is disposed of. */
export class TombstonePurge implements AsyncDisposable {
  readonly #parts: PurgeParts;
  readonly #indexes: () => readonly string[];
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(parts: PurgeParts, indexes: () => readonly string[]) {
    this.#parts = parts;
    this.#indexes = indexes;
    this.#schedule(Math.min(FIRST_PURGE_MS, this.#intervalMs));
  }

  get #intervalMs(): number {
    return Math.min(Math.max(this.#parts.keepMs / 10, SHORTEST_INTERVAL_MS), LONGEST_INTERVAL_MS);
  }

  #schedule(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#run().then(() => {
        if (!this.#stop.signal.aborted) this.#schedule(this.#intervalMs);
      });
    }, ms);
    this.#timer.unref();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { keepMs, logger } = this.#parts;
    for (const index of this.#indexes()) {
      try {
        const removed = await purge(this.#parts, index, Date.now() - keepMs, signal);
        if (removed > 0) logger.info({ index, removed }, 'removed tombstones');
      } catch (error) {
        if (signal.aborted) return;
        // They only take room, and the next purge finds them.
        logger.warn({ index, reason: error instanceof Error ? error.message : '' }, 'cannot remove tombstones yet');
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#stop.abort();
    await this.#running;
  }
}
