import { type Culprits, sortOf } from './bulk-culprits.ts';
import type { Refusal } from './bulk-encoder.ts';
import type { BulkItem } from './bulk-request.ts';
import { type ItemError, type ItemOutcome, refused, shownType } from './item-outcome.ts';

/** What is left of a request after an answer, as places in it. */
export interface BulkRest {
  /** To be sent again, after a wait. */
  readonly again: readonly number[];
  /** To be sent alone, to see whether they are to blame. */
  readonly proofs: readonly number[];
  /** Why the cluster did not take some of them now; undefined when it was not busy. */
  readonly busy: string | undefined;
  /** Indexes that are not there. */
  readonly missing: ReadonlySet<string>;
}

/** How often an item is sent whose error may or may not pass. */
const UNCLEAR_TRIES = 4;

/** Takes in the answers to one request, until nothing is left of it. */
export class BulkResults<Item extends BulkItem> {
  readonly refusals: Refusal<Item>[] = [];
  readonly #culprits: Culprits;
  readonly #dropped: Item[];
  readonly #isProof: boolean;
  /** Sorts of items of which some were taken. */
  readonly #taken: Set<string>;
  readonly #tries = new Map<Item, number>();

  constructor(culprits: Culprits, parts: { dropped: Item[]; taken: Set<string>; isProof: boolean }) {
    this.#culprits = culprits;
    this.#dropped = parts.dropped;
    this.#taken = parts.taken;
    this.#isProof = parts.isProof;
  }

  /** Throws `internal` when one item after the other gets an error that can hardly be about it. */
  take(items: readonly Item[], outcomes: readonly ItemOutcome[]): BulkRest {
    this.#noteTaken(items, outcomes);
    const again: number[] = [];
    const proofs: number[] = [];
    const missing = new Set<string>();
    let busy: string | undefined;
    for (const [place, item] of items.entries()) {
      const outcome = outcomes[place];
      switch (outcome?.is) {
        case 'dropped':
          this.#dropped.push(item);
          break;
        case 'busy':
          busy = shownType(outcome.type);
          again.push(place);
          break;
        case 'no-index':
          busy ??= 'index_not_found_exception';
          missing.add(item.index);
          again.push(place);
          break;
        case 'unclear':
          if (this.#hasTriesLeft(item)) again.push(place);
          else if (outcome.mayBeAny && items.length > 1) proofs.push(place);
          else this.#refuse(item, outcome.error, outcome.mayBeAny);
          break;
        case 'refused':
          this.#refuse(item, outcome.error, outcome.mayBeAny);
          break;
        default:
      }
    }
    return { again, proofs, busy, missing };
  }

  #noteTaken(items: readonly Item[], outcomes: readonly ItemOutcome[]): void {
    const taken = items.filter((_, place) => outcomes[place]?.is === 'done' || outcomes[place]?.is === 'dropped');
    this.#culprits.taken(taken);
    for (const item of taken) this.#taken.add(sortOf(item));
  }

  #hasTriesLeft(item: Item): boolean {
    const tries = (this.#tries.get(item) ?? 0) + 1;
    this.#tries.set(item, tries);
    return tries < UNCLEAR_TRIES && !this.#isProof;
  }

  /** Where others of its sort were taken with it, it is the item that is to blame. */
  #refuse(item: Item, error: ItemError, mayBeAny: boolean): void {
    const isBelieved = !mayBeAny || this.#taken.has(sortOf(item));
    const rejection = isBelieved ? refused(error, item.index) : this.#culprits.refusedAlone(item, error);
    this.refusals.push({ item, error: rejection });
  }
}
