interface Gate {
  /** Who is writing. */
  writers: number;
  /** Resolves when nobody changes the table any more; undefined when nobody does. */
  closed: Promise<void> | undefined;
  /** Called when the last writer has left. */
  empty: (() => void) | undefined;
}

/**
 * Keeps the lanes of this process away from tables that one of them changes: a change of columns may rewrite the table, and
 * a write that waits for that in the server would run into the time limit of a statement, which ends the pipeline's attempt
 * and with it the change.
 */
export class TableGates {
  readonly #gates = new Map<string, Gate>();

  /** Runs a write to these tables when nobody changes one of them. It must not wait for a change itself. */
  async write<T>(tables: readonly string[], work: () => Promise<T>): Promise<T> {
    const gates = [...new Set(tables)].map((table) => this.#of(table));
    // While one is waited for another may be closed.
    for (let closed = firstClosed(gates); closed !== undefined; closed = firstClosed(gates)) await closed;
    for (const gate of gates) gate.writers += 1;
    try {
      return await work();
    } finally {
      for (const gate of gates) leave(gate);
    }
  }

  /** Runs a change of the table when nobody writes to it or changes it. */
  async change<T>(table: string, work: () => Promise<T>): Promise<T> {
    const gate = this.#of(table);
    while (gate.closed !== undefined) await gate.closed;
    const done = Promise.withResolvers<void>();
    gate.closed = done.promise;
    try {
      if (gate.writers > 0) {
        await new Promise<void>((resolve) => {
          gate.empty = resolve;
        });
      }
      return await work();
    } finally {
      gate.closed = undefined;
      done.resolve();
    }
  }

  #of(table: string): Gate {
    let gate = this.#gates.get(table);
    if (gate === undefined) {
      gate = { writers: 0, closed: undefined, empty: undefined };
      this.#gates.set(table, gate);
    }
    return gate;
  }
}

function firstClosed(gates: readonly Gate[]): Promise<void> | undefined {
  return gates.find(({ closed }) => closed !== undefined)?.closed;
}

function leave(gate: Gate): void {
  gate.writers -= 1;
  if (gate.writers > 0) return;
  gate.empty?.();
  gate.empty = undefined;
}
