import type { Rejection } from '../../../core/sink.ts';
import { apply, type KeyFailure } from './apply.ts';
import { applyAtomically } from './atomic-apply.ts';
import { type BatchPlan, type CollectionPlan, overExisting } from './collapse.ts';
import type { DeliveryContext, TargetDelivery } from './delivery.ts';
import type { TargetCollection } from './name-template.ts';
import type { Outcomes } from './outcome.ts';
import type { TargetWriter, WriteScope } from './target-writer.ts';
import type { TransactionPlace } from './transaction.ts';

/** Collections that one write changes at the same time. */
const COLLECTIONS_AT_ONCE = 4;
/** More documents than this are no ring of exchanged values. */
const MOST_EXCHANGED = 50;
const EXCHANGE_ATTEMPTS = 3;

/** What writing without transactions needs. */
export interface AtLeastOnceParts {
  readonly writer: TargetWriter;
  readonly outcomes: Outcomes;
  readonly attempts: number;
  /** Undefined where there are no transactions. */
  readonly place: TransactionPlace | undefined;
}

/**
 * Writes documents as they come. What is written again has the same effect, so a write whose answer was lost is simply
 * repeated, from the checkpoint on.
 */
export class AtLeastOnce implements TargetDelivery {
  readonly #parts: AtLeastOnceParts;

  constructor(parts: AtLeastOnceParts) {
    this.#parts = parts;
  }

  async deliver(plan: BatchPlan, { reject, signal, ensureOwned }: DeliveryContext): Promise<number> {
    const scope = { signal, ensureOwned };
    // First, so that nothing is written when they cannot be put away.
    if (plan.rejections.length > 0) await reject(plan.rejections);
    const refused: Rejection[] = [];
    const waiting = [...plan.collections];
    const work = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        refused.push(...(await this.#applyTo(next, scope)));
      }
    };
    await Promise.all(Array.from({ length: Math.min(COLLECTIONS_AT_ONCE, waiting.length) }, work));
    if (refused.length > 0) await reject(refused);
    return plan.rejections.length + refused.length;
  }

  /** The engine asks before the write, the commands ask again. */
  async ensureOwned(): Promise<void> {}

  /** Nothing is kept that tells when a document was written. */
  async sweep(): Promise<boolean> {
    return false;
  }

  async #applyTo({ target, keys }: CollectionPlan, scope: WriteScope): Promise<readonly Rejection[]> {
    const { writer, outcomes, attempts } = this.#parts;
    const failures = await apply({ writer, target, plans: [...keys.values()], scope, attempts });
    const left = await this.#exchange(target, failures, scope);
    return left.flatMap((failure) => outcomes.rejections(failure));
  }

  /** Documents that only wait for each other's value of a unique index get past each other in one transaction. */
  async #exchange(
    target: TargetCollection,
    failures: readonly KeyFailure[],
    scope: WriteScope,
  ): Promise<readonly KeyFailure[]> {
    const { place, writer } = this.#parts;
    const waiting = failures.filter(({ remedy }) => remedy === 'conflict');
    if (place === undefined || waiting.length < 2 || waiting.length > MOST_EXCHANGED) return failures;
    const left = failures.filter(({ remedy }) => remedy !== 'conflict');
    await applyAtomically({
      place,
      signal: scope.signal,
      changes: [{ target, plans: waiting.map(({ plan }) => overExisting(plan)) }],
      attempts: EXCHANGE_ATTEMPTS,
      hasNeighbours: false,
      leaveOut: (failure) => left.push(failure),
      work: async (changes, session) => {
        for (const { plans } of changes)
          await apply({ writer, target, plans, scope: { ...scope, session }, attempts: 1 });
      },
    });
    return left;
  }
}
