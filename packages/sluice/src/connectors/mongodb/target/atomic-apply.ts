import type { ClientSession } from 'mongodb';
import { EndedByItem, type KeyFailure, pauseBefore } from './apply.ts';
import type { KeyPlan, Step } from './collapse.ts';
import type { TargetCollection } from './name-template.ts';
import type { RawStatement } from './raw-sequence.ts';
import { inTransaction, type TransactionPlace } from './transaction.ts';

/** What one collection is to be changed by. */
export interface Change {
  readonly target: TargetCollection;
  readonly plans: readonly KeyPlan[];
}

/** How changes are made at once. */
export interface AtomicApply {
  readonly place: TransactionPlace;
  readonly signal: AbortSignal;
  readonly changes: readonly Change[];
  /** How often a document is tried. */
  readonly attempts: number;
  /** Others write at the same time, and may resolve what this one waits for. */
  readonly hasNeighbours: boolean;
  /** Makes the changes, in the transaction of the session. */
  readonly work: (changes: readonly Change[], session: ClientSession) => Promise<void>;
  /** Told of each document that is left out. */
  readonly leaveOut: (failure: KeyFailure) => void;
}

/**
 * Makes all changes in one transaction, less those that the server refuses: a refused document ends the transaction, which
 * is then made without it.
 */
export async function applyAtomically(how: AtomicApply): Promise<void> {
  const attempt = new Attempt(how.changes, how.attempts);
  for (;;) {
    try {
      return await inTransaction(how.place, how.signal, (session) => how.work(attempt.changes, session));
    } catch (error) {
      if (!(error instanceof EndedByItem)) throw error;
      const tries = attempt.retry(error.failure);
      if (tries === undefined) how.leaveOut(error.failure);
      else if (how.hasNeighbours && error.failure.remedy === 'conflict') await pauseBefore(tries, how.signal);
    }
  }
}

/** What a batch changes, less what could not be; a refused document ends the transaction, which is then made without it. */
class Attempt {
  #changes: readonly Change[];
  readonly #attempts: number;
  readonly #tries = new Map<string, number>();

  constructor(changes: readonly Change[], attempts: number) {
    this.#changes = changes;
    this.#attempts = attempts;
  }

  get changes(): readonly Change[] {
    return this.#changes;
  }

  /**
   * Prepares the next try. Answers how often the document was tried when it is part of it: written behind the others, and
   * removed before them when all of it is known, so that documents that exchange the values of a unique index get past
   * each other.
   */
  retry({ plan: { key }, remedy, target, statement }: KeyFailure): number | undefined {
    const name = `${target.name}\0${key.text}`;
    const tries = (this.#tries.get(name) ?? 0) + 1;
    this.#tries.set(name, tries);
    const again = remedy !== 'none' && remedy !== 'unmatched' && tries < this.#attempts;
    this.#changes = this.#changes.map((change) => {
      if (change.target.name !== target.name) return change;
      const others = change.plans.filter((plan) => plan.key.text !== key.text);
      const [plan] = change.plans.filter((candidate) => candidate.key.text === key.text);
      if (plan === undefined) return change;
      if (again) return { target, plans: [...others, removedFirst(plan)] };
      // What was unmatched is left out alone: it may be a replay, and what stands beside it and behind it counts.
      const left = remedy === 'unmatched' ? without(plan.steps, statement) : [];
      return { target, plans: left.length === 0 ? others : [...others, { ...plan, steps: left }] };
    });
    return again ? tries : undefined;
  }
}

function removedFirst(plan: KeyPlan): KeyPlan {
  const isWhole = plan.steps[0]?.kind !== 'delta';
  return isWhole ? { ...plan, deleteFirst: true } : plan;
}

function without(steps: readonly Step[], statement: RawStatement | undefined): readonly Step[] {
  const left = steps.map((step) => ({ ...step, updates: step.updates.filter((update) => update !== statement) }));
  return left.filter(({ kind, updates }) => kind !== 'delta' || updates.length > 0);
}
