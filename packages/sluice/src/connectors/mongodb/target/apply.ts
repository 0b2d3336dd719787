import { setTimeout as pause } from 'node:timers/promises';
import type { MongoServerError } from 'mongodb';
import type { SluiceError } from '../../../core/failure.ts';
import { type KeyPlan, overExisting, type Step } from './collapse.ts';
import { itemFailure, type Remedy, remedyFor } from './item-error.ts';
import type { TargetCollection } from './name-template.ts';
import type { RawStatement } from './raw-sequence.ts';
import { DeleteStatement, RawDocument } from './statements.ts';
import type { TargetWriter, WriteScope } from './target-writer.ts';

const FIRST_PAUSE_MS = 100;
/** A document that appears or changes its form while it is written is tried so often at least. */
const LEAST_ATTEMPTS = 3;

/** What the server has against what a batch does with one document. */
export interface KeyFailure {
  readonly plan: KeyPlan;
  readonly target: TargetCollection;
  readonly remedy: Remedy;
  readonly error: SluiceError;
  /** The statement that was refused, when it was an update. */
  readonly statement: RawStatement | undefined;
}

/** What is applied to one collection. */
export interface Application {
  readonly writer: TargetWriter;
  readonly target: TargetCollection;
  readonly plans: readonly KeyPlan[];
  readonly scope: WriteScope;
  /** How often a document is tried that collides with another one. */
  readonly attempts: number;
}

/** A statement and what it is a part of. */
interface Work {
  readonly plan: KeyPlan;
  readonly statement: RawStatement;
  readonly step: Step;
}

/**
 * Brings documents of one collection to where the batch leaves them; resolves with those that could not be. What is
 * refused for a reason that may pass is tried again behind the others. Everything else is thrown.
 */
export async function apply(application: Application): Promise<readonly KeyFailure[]> {
  const run = new ApplyRun(application);
  await run.remove(application.plans.filter(isRemovedFirst));
  const existing = await run.insert(application.plans.filter(isInserted));
  await run.recreate(existing.filter(isInserted));
  await run.updateEach([...existing, ...application.plans.filter((plan) => !run.isRefused(plan))]);
  return run.settle();
}

function isRemovedFirst({ steps, deleteFirst }: KeyPlan): boolean {
  const kind = steps[0]?.kind;
  return deleteFirst || kind === 'delete' || kind === 'recreate';
}

function isInserted({ steps }: KeyPlan): boolean {
  const kind = steps[0]?.kind;
  return kind === 'insert' || kind === 'recreate';
}

/** The pieces of `apply`, which share what is still open. */
class ApplyRun {
  readonly #of: Application;
  #open: KeyFailure[] = [];
  readonly #failed: KeyFailure[] = [];
  readonly #refusedPlans = new Set<KeyPlan>();

  constructor(application: Application) {
    this.#of = application;
  }

  /** Whether the plan was refused in part, so that the rest must not be done for now. */
  isRefused(plan: KeyPlan): boolean {
    return this.#refusedPlans.has(plan);
  }

  /** Removes documents; those that are not there are none too. */
  async remove(plans: readonly KeyPlan[]): Promise<void> {
    if (plans.length === 0) return;
    const { writer, target, scope } = this.#of;
    const deletes = plans.map(({ key }) => new DeleteStatement(key.query));
    const { errors } = await writer.delete(target, deletes, scope);
    for (const { index, error } of errors) this.#refused({ plan: plans[index] as KeyPlan }, error);
  }

  /** Inserts documents; resolves with the plans of those that are there already, made to fit that. */
  async insert(plans: readonly KeyPlan[]): Promise<readonly KeyPlan[]> {
    if (plans.length === 0) return [];
    const { writer, target, scope } = this.#of;
    const documents = plans.map(({ steps }) => new RawDocument(steps[0]?.document as Uint8Array));
    const { errors } = await writer.insert(target, documents, scope);
    const existing: KeyPlan[] = [];
    for (const { index, error } of errors) {
      const plan = plans[index] as KeyPlan;
      this.#refusedPlans.add(plan);
      if (remedyFor(error) === 'exists' && plan.steps[0]?.kind === 'insert') existing.push(overExisting(plan));
      else this.#refused({ plan }, error);
    }
    return existing;
  }

  /** Removes and inserts documents. */
  async recreate(plans: readonly KeyPlan[]): Promise<void> {
    await this.remove(plans);
    await this.insert(plans);
  }

  /** Single statements first, in any order; then documents that need several, in theirs. */
  async updateEach(plans: readonly KeyPlan[]): Promise<void> {
    const works = plans.map(worksOf);
    await this.#update(works.filter(({ length }) => length === 1).flat(), false);
    await this.#update(works.filter(({ length }) => length > 1).flat(), true);
  }

  /** Tries what is open again, and ends with what cannot be done. */
  async settle(): Promise<readonly KeyFailure[]> {
    const { attempts, scope } = this.#of;
    for (let attempt = 1; this.#open.length > 0; attempt++) {
      const open = this.#open;
      this.#open = [];
      const retried = open.filter((failure) => attempt < mostAttempts(failure, attempts));
      this.#failed.push(...open.filter((failure) => !retried.includes(failure)));
      if (retried.length === 0) break;
      // The other document may be in another lane that has not come as far.
      if (retried.some(({ remedy }) => remedy === 'conflict')) await pauseBefore(attempt, scope.signal);
      await this.#retry(retried.map(({ plan, remedy }) => ({ plan: overExisting(plan), remedy })));
    }
    return this.#failed;
  }

  async #retry(retried: readonly Pick<KeyFailure, 'plan' | 'remedy'>[]): Promise<void> {
    this.#refusedPlans.clear();
    const plans = retried.map(({ plan }) => plan);
    const removed = retried.filter(({ plan, remedy }) => remedy === 'recreate' && !isInserted(plan));
    await this.remove(removed.map(({ plan }) => plan));
    await this.recreate(plans.filter(isInserted));
    await this.#update(plans.filter((plan) => !this.isRefused(plan)).flatMap(worksOf), true);
  }

  async #update(works: readonly Work[], ordered: boolean): Promise<void> {
    const { writer, target, scope } = this.#of;
    let rest = works;
    while (rest.length > 0) {
      const statements = rest.map(({ statement }) => statement);
      const { errors } = await writer.update(target, statements, { ...scope, ordered });
      const remedies = errors.map(({ index, error }) => this.#refused(rest[index] as Work, error));
      const [stop] = ordered ? errors : [];
      // What follows for a refused document would build on what is not there; what was unmatched may be a replay.
      const dropped = remedies[0] === 'unmatched' ? undefined : rest[stop?.index ?? 0]?.plan;
      rest = stop === undefined ? [] : rest.slice(stop.index + 1).filter(({ plan }) => plan !== dropped);
    }
  }

  #refused({ plan, step, statement }: Pick<Work, 'plan'> & Partial<Work>, error: MongoServerError): Remedy {
    const { target, scope } = this.#of;
    const remedy = remedyFor(error, step?.kind === 'delta');
    const part = remedy === 'unmatched' && step !== undefined ? { ...plan, steps: [step] } : plan;
    const failure = { plan: part, target, remedy, statement, error: itemFailure(error, remedy, target.name) };
    if (failure.error.kind !== 'rejected') throw failure.error;
    // A transaction has ended with the first error; whoever runs it decides.
    if (scope.session !== undefined) throw new EndedByItem(failure);
    if (remedy === 'unmatched') this.#addUnmatched(failure);
    else if (remedy === 'none') this.#failed.push(failure);
    else this.#open.push(failure);
    return remedy;
  }

  /** Once for each change, which may be several statements. */
  #addUnmatched(failure: KeyFailure): void {
    const [step] = failure.plan.steps;
    const isKnown = this.#failed.some(({ remedy, plan }) => remedy === 'unmatched' && plan.steps[0] === step);
    if (!isKnown) this.#failed.push(failure);
  }
}

/** A transaction that the server has aborted because of one document. */
export class EndedByItem extends Error {
  readonly failure: KeyFailure;

  constructor(failure: KeyFailure) {
    super(failure.error.message);
    this.failure = failure;
  }
}

function worksOf(plan: KeyPlan): readonly Work[] {
  return plan.steps.flatMap((step) => step.updates.map((statement) => ({ plan, statement, step })));
}

function mostAttempts({ remedy }: KeyFailure, attempts: number): number {
  return remedy === 'conflict' ? attempts : Math.max(attempts, LEAST_ATTEMPTS);
}

/** Waits before what was refused is tried again, longer each time. */
export async function pauseBefore(attempt: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(FIRST_PAUSE_MS * 4 ** (attempt - 1), undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}
