import { SluiceError } from '../../core/failure.ts';
import type { Logger } from '../../core/logger.ts';
import { type BulkAnswer, type BulkSending, namesOf, type SendScope, sendBulk } from './bulk-answer.ts';
import { Culprits } from './bulk-culprits.ts';
import { BulkEncoder, type EncoderOptions, type Refusal } from './bulk-encoder.ts';
import { type BulkItem, type BulkRequest, halves, pick } from './bulk-request.ts';
import { pause, type WaitBounds, waitAfter } from './bulk-wait.ts';
import { type ItemError, shownType } from './item-outcome.ts';

/** What items are written with. */
export interface BulkWriterParts extends BulkSending, EncoderOptions {
  readonly retries: WaitBounds & { readonly attempts: number };
  /** Makes an index again that was removed while it was written to. */
  readonly restore: (index: string, signal: AbortSignal) => Promise<void>;
  readonly logger: Logger;
}

/** Where one request stands. */
interface Delivery {
  readonly scope: SendScope;
  /** Indexes that were made again. */
  readonly restored: Set<string>;
  /** True for parts of a refused request that was found to hold a culprit. */
  readonly isPart?: boolean;
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
  /** Smaller than configured once the server has found a request too large. */
  #bytes: number;

  constructor(parts: BulkWriterParts) {
    this.#parts = parts;
    this.#bytes = parts.bytes;
  }

  /** The items that can never be written. Throws `transient` when the cluster stays busy. */
  async write<Item extends BulkItem>(items: readonly Item[], scope: SendScope): Promise<readonly Refusal<Item>[]> {
    const encoder = this.#free.pop() ?? new BulkEncoder(this.#parts);
    const refusals: Refusal<Item>[] = [];
    const delivery = { scope, restored: new Set<string>() };
    for (const request of encoder.requests(items, this.#bytes, refusals)) {
      refusals.push(...(await this.#deliver(request, delivery)));
    }
    // Not after a failure: then a connection may still be sending from its buffer.
    this.#free.push(encoder);
    return refusals;
  }

  async #deliver<Item extends BulkItem>(
    request: BulkRequest<Item>,
    delivery: Delivery,
  ): Promise<readonly Refusal<Item>[]> {
    const { retries } = this.#parts;
    const refusals: Refusal<Item>[] = [];
    let pending = request;
    for (let tries = 1; ; tries += 1) {
      const answer = await sendBulk(this.#parts, pending, delivery.scope);
      if (answer.is === 'done' || answer.is === 'items') this.#culprits.taken();
      if (answer.is === 'done') return refusals;
      if (answer.is === 'too-large') return [...refusals, ...(await this.#smaller(pending, delivery))];
      if (answer.is === 'refused') return [...refusals, ...(await this.#without(pending, answer.error, delivery))];
      const again = await this.#again(pending, answer, refusals, delivery);
      if (again.length === 0) return refusals;
      if (tries >= retries.attempts) throw stillBusy(pending, answer, tries);
      if (again.length < pending.items.length) pending = pick(pending, again);
      const retryAfterMs = answer.is === 'busy' ? answer.retryAfterMs : undefined;
      await pause(waitAfter(tries, retries, { retryAfterMs }), delivery.scope.signal);
    }
  }

  /** The places of the items that have to be sent again. */
  async #again<Item extends BulkItem>(
    { items }: BulkRequest<Item>,
    answer: Extract<BulkAnswer, { is: 'items' | 'busy' }>,
    refusals: Refusal<Item>[],
    { scope, restored }: Delivery,
  ): Promise<readonly number[]> {
    if (answer.is === 'busy') return [...items.keys()];
    const again: number[] = [];
    const missing = new Set<string>();
    for (const [place, item] of items.entries()) {
      const outcome = answer.outcomes[place];
      if (outcome?.is === 'refused') refusals.push({ item, error: outcome.error });
      else if (outcome?.is === 'no-index') missing.add(item.index);
      if (outcome?.is === 'busy' || outcome?.is === 'no-index') again.push(place);
    }
    for (const index of missing) {
      if (restored.has(index)) throw noIndex(index);
      restored.add(index);
      await this.#parts.restore(index, scope.signal);
    }
    return again;
  }

  /** Sends what was too much in two requests; a single item that is too large is refused. */
  async #smaller<Item extends BulkItem>(
    request: BulkRequest<Item>,
    delivery: Delivery,
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
    delivery: Delivery,
  ): Promise<readonly Refusal<Item>[]> {
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
    delivery: Delivery,
  ): Promise<readonly Refusal<Item>[]> {
    const refusals: Refusal<Item>[] = [];
    for (const half of halves(request)) refusals.push(...(await this.#deliver(half, delivery)));
    return refusals;
  }
}

function stillBusy(request: BulkRequest, answer: BulkAnswer, tries: number): SluiceError {
  const found = answer.is === 'items' ? answer.outcomes.find(({ is }) => is === 'busy') : undefined;
  const type = found?.is === 'busy' ? shownType(found.type) : 'status 429';
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
