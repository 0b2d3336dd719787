/** The server's own limit for one answer. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;
const FIRST_SIZE = 1_000;
const GROWTH = 4;

/** Limits of what to ask for. */
export interface BatchLimits {
  readonly events: number;
  readonly bytes: number;
}

/** Chooses how many events to ask for, so that answers stay near a number of bytes whatever size the events have. */
export class BatchSize {
  readonly #limits: BatchLimits;
  #size: number;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
    this.#size = Math.min(FIRST_SIZE, limits.events);
  }

  /** How many events to ask for now. */
  get size(): number {
    return this.#size;
  }

  /** Learns from an answer. The size falls at once and grows in steps, so that large events do not come in crowds. */
  observe(events: number, bytes: number): void {
    if (events === 0) return;
    const fitting = Math.floor((this.#limits.bytes * events) / bytes);
    this.#size = Math.max(1, Math.min(fitting, this.#size * GROWTH, this.#limits.events));
  }
}

/**
 * Whether an answer shows that the server had nothing more at that moment. It stops short of the number asked for when
 * it reaches the end of the oplog, or when the next event would not fit; the latter is ruled out only for events that
 * are smaller than what was left, so after half an answer a pending event of over 8 MiB goes unnoticed until the next.
 */
export function isCaughtUp(asked: number, events: number, bytes: number): boolean {
  return events === 0 || (events < asked && bytes < MAX_REPLY_BYTES / 2);
}
