import type { LayoutStep } from './columns/layout.ts';
import type { Misfit } from './columns/misfits.ts';

/** When a table is in use all the time: soon, then less often. */
const BUSY_PAUSES_MS = { first: 2_000, most: 300_000 };
/** What the server refuses needs somebody to do something about it. */
const REFUSED_PAUSES_MS = { first: 60_000, most: 1_800_000 };

interface Entry {
  readonly againAt: number;
  readonly pauseMs: number;
}

/**
 * Changes of tables that could not be made: the pipeline goes on without them, and they are tried again after pauses that
 * grow. Times are milliseconds of `now`.
 */
export class PostponedSteps {
  readonly #now: () => number;
  readonly #tables = new Map<number, Map<string, Entry>>();
  readonly #misfits = new Map<number, readonly Misfit[]>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The server does not want this step. True when it is news. */
  refused(table: number, relation: string, step: LayoutStep): boolean {
    return this.#put(table, stepKey(relation, step), REFUSED_PAUSES_MS);
  }

  /** The relation was in use for too long for any step. True when it is news. */
  busy(table: number, relation: string): boolean {
    return this.#put(table, relationKey(relation), BUSY_PAUSES_MS);
  }

  /** Whether it is too early for the step. */
  isHeld(table: number, relation: string, step: LayoutStep): boolean {
    const entries = this.#tables.get(table);
    if (entries === undefined) return false;
    const keys = [relationKey(relation), stepKey(relation, step)];
    return keys.some((key) => (entries.get(key)?.againAt ?? 0) > this.#now());
  }

  /** Whether something of the table is to be tried again. Cheap. */
  isDue(table: number): boolean {
    const entries = this.#tables.size === 0 ? undefined : this.#tables.get(table);
    if (entries === undefined) return false;
    const now = this.#now();
    return [...entries.values()].some(({ againAt }) => againAt <= now);
  }

  /** Values that wanted a change which was postponed. */
  misfits(table: number): readonly Misfit[] {
    return this.#misfits.get(table) ?? [];
  }

  /** All that was due has been tried: forgets what is done, and keeps for the rest what it may be wanted for. */
  settle(table: number, misfits: readonly Misfit[]): void {
    const entries = this.#tables.get(table);
    if (entries === undefined) return;
    const now = this.#now();
    for (const [key, { againAt }] of entries) if (againAt <= now) entries.delete(key);
    if (entries.size > 0) {
      const all = new Map(this.misfits(table).map((misfit) => [misfitKey(misfit), misfit]));
      for (const misfit of misfits) all.set(misfitKey(misfit), misfit);
      this.#misfits.set(table, [...all.values()]);
      return;
    }
    this.#tables.delete(table);
    this.#misfits.delete(table);
  }

  #put(table: number, key: string, { first, most }: typeof BUSY_PAUSES_MS): boolean {
    let entries = this.#tables.get(table);
    if (entries === undefined) {
      entries = new Map();
      this.#tables.set(table, entries);
    }
    const before = entries.get(key);
    const pauseMs = before === undefined ? first : Math.min(before.pauseMs * 2, most);
    entries.set(key, { againAt: this.#now() + pauseMs, pauseMs });
    return before === undefined;
  }
}

function relationKey(relation: string): string {
  return `busy\0${relation}`;
}

function stepKey(relation: string, step: LayoutStep): string {
  if (step.kind === 'add-child-table') return `refused\0${relation}\0${step.kind}\0${step.table.path}`;
  return `refused\0${relation}\0${step.kind}\0${step.column.path}\0${step.column.type}`;
}

function misfitKey({ child, path, wants }: Misfit): string {
  return `${child ?? ''}\0${path}\0${wants ?? ''}`;
}
