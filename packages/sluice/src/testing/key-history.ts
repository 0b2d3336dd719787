import type { DeliveryMode } from './delivery-checks.ts';

/** One record as a sink holds it, of documents that a workload wrote. */
export interface SinkRecord {
  /** `db.coll`. */
  readonly namespace: string;
  /** The document key as text; undefined for changes of collections. */
  readonly key: string | undefined;
  /** As in a change event; a row of a snapshot is `snapshot`. */
  readonly op: string;
  /** The counter of the document, which each change of it raised by one; undefined for deletes. */
  readonly n: number | undefined;
  /** The number of the document; undefined where the record does not carry it. */
  readonly k: number | undefined;
}

interface KeyState {
  readonly n: number;
  readonly alive: boolean;
  readonly k: number | undefined;
  /** Rows of it since its collection began. */
  readonly rows: number;
  /** How often the pipeline had been restarted. */
  readonly life: number;
  /** The life in which it was deleted; undefined while it is there. */
  readonly goneIn: number | undefined;
}

/**
 * Follows what a sink was given of a snapshot and of the changes beside it, and says what is wrong. A key begins with a
 * row or an insert; every change then raises the counter by one; a row does not come behind anything else of its key.
 * A delete of what never came does no harm. With at-least-once the first record of a key after a restart may repeat what was there, and nothing may be skipped.
 */
export class KeyHistory {
  readonly violations: string[] = [];
  readonly #mode: DeliveryMode;
  readonly #keys = new Map<string, KeyState>();
  #life = 0;
  #rows = 0;
  #repeatedRows = 0;

  constructor(mode: DeliveryMode) {
    this.#mode = mode;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Rows of keys that had one already. */
  get repeatedRows(): number {
    return this.#repeatedRows;
  }

  /** Counters of the documents that the sink holds, by the number of the document. */
  get documents(): ReadonlyMap<number, number> {
    const alive = [...this.#keys.values()].filter((state) => state.alive);
    return new Map(alive.map(({ k = -1, n }) => [k, n] as const));
  }

  /** What follows was delivered after a restart. */
  restarted(): void {
    this.#life += 1;
  }

  take(record: SinkRecord): void {
    const { namespace, key, op } = record;
    if (key === undefined) {
      if (op === 'drop' || op === 'rename') this.#forget(namespace);
      return;
    }
    const name = `${namespace} ${key}`;
    const known = this.#keys.get(name);
    if (op === 'delete' && known === undefined) return;
    const wrong = this.#wrong(record, known);
    if (wrong !== undefined) this.violations.push(`${op} ${record.n ?? ''} of ${name}: ${wrong}`);
    if (op === 'snapshot') this.#rows += 1;
    if (op === 'snapshot' && (known?.rows ?? 0) > 0) this.#repeatedRows += 1;
    // A delete carries no counter, so what follows a repeated one may still be a repetition.
    const stillRepeats = op === 'delete' && this.#repeats(known);
    this.#keys.set(name, {
      n: record.n ?? known?.n ?? 0,
      alive: op !== 'delete',
      k: record.k ?? known?.k,
      rows: (known?.rows ?? 0) + (op === 'snapshot' ? 1 : 0),
      life: stillRepeats && known !== undefined ? known.life : this.#life,
      goneIn: op === 'delete' ? this.#life : undefined,
    });
  }

  #forget(namespace: string): void {
    for (const name of this.#keys.keys()) if (name.startsWith(`${namespace} `)) this.#keys.delete(name);
  }

  #repeats(known: KeyState | undefined): boolean {
    return this.#mode === 'at-least-once' && known !== undefined && known.life < this.#life;
  }

  #wrong({ op, n = 0 }: SinkRecord, known: KeyState | undefined): string | undefined {
    if (known === undefined) return op === 'snapshot' || op === 'insert' ? undefined : 'nothing was there';
    const repeats = this.#repeats(known);
    if (op === 'snapshot') return repeats ? undefined : `it comes behind ${known.n}`;
    // What a copy that is made again finds deleted has no row: the states before the delete are left out with it.
    const leftOut = known.goneIn === this.#life;
    if (repeats) return n > known.n + 1 && !leftOut ? `it skips from ${known.n}` : undefined;
    if (known.alive === (op === 'insert')) return known.alive ? 'it was there' : 'it was gone';
    if (op !== 'delete' && n !== known.n + 1) return `it comes behind ${known.n}`;
    return undefined;
  }
}

const SHOWN = 10;

/** Throws unless nothing was wrong and the histories together end with exactly these documents. */
export function assertRight(histories: readonly KeyHistory[], expected: ReadonlyMap<number, number>): void {
  const held = new Map(histories.flatMap(({ documents }) => [...documents]));
  const numbers = [...new Set([...held.keys(), ...expected.keys()])];
  const differing = numbers
    .filter((k) => held.get(k) !== expected.get(k))
    .map((k) => `document ${k} is ${held.get(k) ?? 'missing'} and not ${expected.get(k) ?? 'gone'}`);
  const wrong = [...histories.flatMap(({ violations }) => violations), ...differing];
  if (wrong.length > 0) throw new Error(`${wrong.length} findings:\n${wrong.slice(0, SHOWN).join('\n')}`);
}
