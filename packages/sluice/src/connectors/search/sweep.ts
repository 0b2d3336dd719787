import { SluiceError } from '../../core/failure.ts';
import type { Logger } from '../../core/logger.ts';
import type { SendScope } from './bulk-answer.ts';
import type { BulkWriter } from './bulk-writer.ts';
import type { SearchClient } from './client.ts';
import { pagesOf } from './document-pages.ts';
import { gone, IS_TOMBSTONE } from './tombstones.ts';

/** What an index is looked through with. */
export interface SweepParts {
  readonly client: SearchClient;
  readonly writer: BulkWriter;
  readonly logger: Logger;
  readonly mode: 'remove' | 'tombstone';
}

const PROGRESS_MS = 30_000;

/**
 * Deletes every document of an index whose version is below `before`, with the last version before it: one that was written in the
 * meantime has a higher version, and its delete is refused by the index itself. Documents of the version `before` itself, which are
 * those that a rename moves, can be written afterwards. Returns how many were old when they were found.
 */
export async function sweep(
  { client, writer, logger, mode }: SweepParts,
  index: string,
  before: bigint,
  scope: SendScope,
): Promise<number> {
  const query = mode === 'tombstone' ? { bool: { must_not: [IS_TOMBSTONE] } } : undefined;
  const progress = new Progress(logger, index);
  // Not exact, so that documents of this very version are deleted, too.
  const version = { value: before - 1n, exact: false };
  let removed = 0;
  for await (const hits of pagesOf(client, { index, query }, scope)) {
    const end = gone(mode);
    const items = hits
      .filter((hit) => hit.version < before)
      .map(({ id, routing }) => ({ index, id, routing, version, ...end }));
    const [refusal] = await writer.write(items, scope);
    if (refusal !== undefined) throw notRemoved(index, refusal.error);
    removed += items.length;
    progress.count(hits.length, removed);
  }
  return removed;
}

/** Says now and then how far long work has come. */
export class Progress {
  readonly #logger: Logger;
  readonly #index: string;
  #looked = 0;
  #saidAtMs = performance.now();

  constructor(logger: Logger, index: string) {
    this.#logger = logger;
    this.#index = index;
  }

  count(looked: number, done: number): void {
    this.#looked += looked;
    const nowMs = performance.now();
    if (nowMs - this.#saidAtMs < PROGRESS_MS) return;
    this.#saidAtMs = nowMs;
    this.#logger.info({ index: this.#index, lookedAt: this.#looked, done }, 'looking through an index');
  }
}

/** An index that refuses the end of a document would keep it for ever. */
function notRemoved(index: string, { message, hint }: SluiceError): SluiceError {
  return new SluiceError(`cannot remove documents that are gone at the source: ${message}`, {
    kind: 'config',
    code: 'search.not-removed',
    hint: hint ?? `Let the mapping of "${index}" take the field _sluice (deleted: boolean, at: date).`,
  });
}
