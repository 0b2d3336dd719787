import type { Session } from './client.ts';
import type { StateTables } from './state-tables.ts';

/** Rows that one run forgets at most. */
const MOST_ROWS = 10_000;
const PAUSE_MS = 60_000;

/** Forgets deletes of long ago, now and then, a bounded number at a time. */
export class DeleteLog {
  readonly #state: StateTables;
  readonly #keepMs: number;
  readonly #now: () => number;
  #next: number;

  constructor(state: StateTables, keepMs: number, now: () => number) {
    this.#state = state;
    this.#keepMs = keepMs;
    this.#now = now;
    this.#next = now();
  }

  /** Does so when it is time. What others are just writing or forgetting is passed over. */
  async tidy(session: Session, signal: AbortSignal): Promise<void> {
    const now = this.#now();
    if (now < this.#next) return;
    this.#next = now + PAUSE_MS;
    const { deleted } = this.#state;
    const text = `delete from ${deleted} where ctid = any (array(
      select ctid from ${deleted} where at < now() - $1::double precision * interval '1 millisecond'
      limit ${MOST_ROWS} for update skip locked))`;
    const { rowCount } = await session.run(
      'state',
      `forget old deletes in ${deleted}`,
      { text, values: [this.#keepMs] },
      signal,
    );
    if (rowCount === MOST_ROWS) this.#next = now;
  }
}
