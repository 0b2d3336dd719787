import { SluiceError } from '../../core/failure.ts';
import type { Logger } from '../../core/logger.ts';
import { type BulkSending, namesOf, type SendScope, sendBulk } from './bulk-answer.ts';
import { Culprits } from './bulk-culprits.ts';
import { BulkEncoder, type EncoderOptions, type Refusal } from './bulk-encoder.ts';
import { type BulkItem, type BulkRequest, halves, pick } from './bulk-request.ts';
import { type BulkRest, BulkResults } from './bulk-rest.ts';
import { pause, type WaitBounds, waitAfter } from './bulk-wait.ts';
import { type ItemError, textOf } from './item-outcome.ts';
import { stoppingError } from './stopping-errors.ts';

/** What items are written with. */
export interface BulkWriterParts extends BulkSending, EncoderOptions {
  readonly retries: WaitBounds & { readonly attempts: number };
  /** Makes an index again that was removed while it was written to. */
  readonly restore: (index: string, signal: AbortSignal) => Promise<void>;
  /** How the end of a document is written. */
  readonly end: () => Pick<BulkItem, 'json'>;
  readonly logger: Logger;
}

/** What a write does besides. */
export interface WriteCounts {
  /** Documents that an ingest pipeline has dropped. */
  dropped: number;
}

/** Where one request stands. */
interface Delivery<Item extends BulkItem> {
  readonly scope: SendScope;
  /** Indexes that were made again. */
  readonly restored: Set<string>;
  /** Sorts of items of which some were taken with it. */
  readonly taken: Set<string>;
  readonly dropped: Item[];
  /** True for parts of a refused request that was found to hold a culprit. */
  readonly isPart?: boolean;
  /** True for an item alone that has had its tries among others. */
  readonly isProof?: boolean;
}

/** Below this a server that finds a request too large is not asked for less any more. */
const LEAST_BYTES = 16 * 1024;

/**
 * Writes items in bulk requests, one after the other; may be called several times at once. Resolves when every item is in
 * the index, was older than what is there, or is among the refusals. What the cluster is too busy for is sent again by
 * itself, after a wait.
 */
export class BulkWriter {
  readonly #parts: BulkWriterParts;
  readonly #free: BulkEncoder[] = [];
  readonly #culprits = new Culprits();
  /** Indexes of which it was said that a pipeline drops documents. */
  readonly #dropping = new Set<string>();
  /** Smaller than configured once the server has found a request too large. */
  #bytes: number;

  constructor(parts: BulkWriterParts) {
    this.#parts = parts;
    this.#bytes = parts.bytes;
  }

  /** The items that can never be written. Throws `transient` when the cluster stays busy. */
  async write<Item extends BulkItem>(
    items: readonly Item[],
    scope: SendScope,
    counts: WriteCounts = { dropped: 0 },
  ): Promise<readonly Refusal<Item>[]> {
    const encoder = this.#free.pop() ?? new BulkEncoder(this.#parts);
    const refusals: Refusal<Item>[] = [];
    const dropped: Item[] = [];
    const restored = new Set<string>();
    for (const request of encoder.requests(items, this.#bytes, refusals)) {
      const delivery = { scope, restored, dropped, taken: new Set<string>() };
      refusals.push(...(await this.#deliver(request, delivery)));
    }
    // Not after a failure: then a connection may still be sending from its buffer.
    this.#free.push(encoder);
    if (dropped.length === 0) return refusals;
    counts.dropped += dropped.length;
    return [...refusals, ...(await this.#end(dropped, scope))];
  }

  /** Ends what a pipeline has dropped: the index would keep it as it was before. */
  async #end<Item extends BulkItem>(dropped: readonly Item[], scope: SendScope): Promise<readonly Refusal<Item>[]> {
    for (const { index } of dropped) {
      if (this.#dropping.has(index)) continue;
      this.#dropping.add(index);
      this.#parts.logger.warn({ index }, 'an ingest pipeline drops documents: they are removed from the index');
    }
    const ends = dropped.map((of) => {
      const { index, id, version, routing, bson } = of;
      // What had no BSON may have been the mark of a deleted document, which a final pipeline drops, too.
      return { of, index, id, version, routing, ...(bson === undefined ? {} : this.#parts.end()) };
    });
    const refusals = await this.write(ends, scope);
    return refusals.map(({ item, error }) => ({ item: item.of, error }));
  }

  async #deliver<Item extends BulkItem>(
    request: BulkRequest<Item>,
    delivery: Delivery<Item>,
  ): Promise<readonly Refusal<Item>[]> {
    const { retries } = this.#parts;
    const { scope, dropped, taken, isProof = false } = delivery;
    const results = new BulkResults<Item>(this.#culprits, { dropped, taken, isProof });
    const { refusals } = results;
    let pending = request;
    for (let tries = 1; ; tries += 1) {
      const answer = await sendBulk(this.#parts, pending, scope);
      if (answer.is === 'done') {
        this.#culprits.taken(pending.items);
        return refusals;
      }
      if (answer.is === 'too-large') return [...refusals, ...(await this.#smaller(pending, delivery))];
      if (answer.is === 'answer-too-large') return [...refusals, ...(await this.#inHalves(pending, delivery))];
      if (answer.is === 'refused') return [...refusals, ...(await this.#without(pending, answer.error, delivery))];
      const rest = answer.is === 'busy' ? allOf(pending) : results.take(pending.items, answer.outcomes);
      for (const place of rest.proofs) {
        refusals.push(...(await this.#deliver(pick(pending, [place]), { ...delivery, isProof: true })));
      }
      if (rest.again.length === 0) return refusals;
      await this.#restore(rest.missing, delivery);
      if (rest.busy !== undefined && tries >= retries.attempts) throw stillBusy(pending, rest.busy, tries);
      if (rest.again.length < pending.items.length) pending = pick(pending, rest.again);
      const retryAfterMs = answer.is === 'busy' ? answer.retryAfterMs : undefined;
      await pause(waitAfter(tries, retries, { retryAfterMs }), scope.signal);
    }
  }

  async #restore(
    missing: ReadonlySet<string>,
    { restored, scope }: Pick<Delivery<BulkItem>, 'restored' | 'scope'>,
  ): Promise<void> {
    for (const index of missing) {
      if (restored.has(index)) throw noIndex(index);
      restored.add(index);
      await this.#parts.restore(index, scope.signal);
    }
  }

  /** Sends what was too much in two requests; a single item that is too large is refused. */
  async #smaller<Item extends BulkItem>(
    request: BulkRequest<Item>,
    delivery: Delivery<Item>,
  ): Promise<readonly Refusal<Item>[]> {
    const [item] = request.items;
    const { length } = request.body;
    if (item !== undefined && request.items.length === 1) return [{ item, error: tooLarge(item.index, length) }];
    const bytes = Math.max(LEAST_BYTES, Math.floor(length / 2));
    if (bytes < this.#bytes) {
      this.#bytes = bytes;
      this.#parts.logger.warn(
        { bytes },
        'the server takes no requests as large as `batchBytes`: smaller ones are sent',
      );
    }
    return this.#inHalves(request, delivery);
  }

  /** Finds what a request was refused for by halving it, and delivers the rest. */
  async #without<Item extends BulkItem>(
    request: BulkRequest<Item>,
    error: ItemError,
    delivery: Delivery<Item>,
  ): Promise<readonly Refusal<Item>[]> {
    const stopping = stoppingError(textOf(error), request.items[0]?.index ?? '');
    if (stopping !== undefined) throw stopping;
    if (delivery.isPart !== true) {
      await this.#culprits.control(request, error, (control) => sendBulk(this.#parts, control, delivery.scope));
    }
    const [item] = request.items;
    if (item !== undefined && request.items.length === 1) {
      return [{ item, error: this.#culprits.refusedAlone(item, error) }];
    }
    return this.#inHalves(request, { ...delivery, isPart: true });
  }

  async #inHalves<Item extends BulkItem>(
    request: BulkRequest<Item>,
    delivery: Delivery<Item>,
  ): Promise<readonly Refusal<Item>[]> {
    const refusals: Refusal<Item>[] = [];
    for (const half of halves(request)) refusals.push(...(await this.#deliver(half, delivery)));
    return refusals;
  }
}

function allOf({ items }: BulkRequest): BulkRest {
  return { again: [...items.keys()], proofs: [], busy: 'status 429', missing: new Set() };
}

function stillBusy(request: BulkRequest, type: string, tries: number): SluiceError {
  return new SluiceError(`${namesOf(request)} did not take writes in ${tries} tries (${type})`, {
    kind: 'transient',
    code: type === 'cluster_block_exception' ? 'search.blocked' : 'search.busy',
    hint:
      type === 'cluster_block_exception'
        ? 'The index is blocked from writing: by the disk watermark (make room), or by a setting (index.blocks.*).'
        : 'The cluster has too much to do, or a shard has no node. It is tried again; lower `concurrency` or `batchBytes` when it stays so.',
  });
}

function noIndex(index: string): SluiceError {
  return new SluiceError(`the index "${index}" does not exist, and did not stay when it was made`, {
    kind: 'config',
    code: 'search.index-missing',
    hint: 'Create it, or set `createIndexes: true`; look for somebody who removes it.',
  });
}

function tooLarge(index: string, bytes: number): SluiceError {
  return new SluiceError(
    `the server does not take the document for the index "${index}": ${bytes} bytes are too many`,
    {
      kind: 'rejected',
      code: 'search.document-too-large',
      hint: 'Raise `http.max_content_length` of the cluster (or the limit of the proxy), or leave fields out with a transform.',
    },
  );
}
