import { setTimeout as delay } from 'node:timers/promises';
import type { DeadLetterStore } from '../core/dead-letter.ts';

/** Least pause between two looks at the dead letters while nothing asks for them (ms). */
const LOOK_EVERY_MS = 2_000;
/** What was seen longer ago than this is looked at again before an event is put behind it (ms). */
const FRESH_FOR_MS = 200;
/** A look may take this share of the time at most. */
const LOOK_SHARE = 5;

/**
 * The documents that have dead letters: later changes of them have to wait there too, so that a replay brings all of them in
 * order. A document is free again when the store holds nothing of it any more.
 */
export class ParkedKeys {
  readonly #pipeline: string;
  readonly #store: DeadLetterStore;
  #documents = new Set<string>();
  /** Events of them that the store holds. */
  #events = new Set<string>();
  /** Documents whose dead letters are on their way to the store. */
  readonly #coming: string[] = [];
  /** Puts and looks take turns: a look must see everything that was put before it. */
  #turn: Promise<unknown> = Promise.resolve();
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #freshForMs = FRESH_FOR_MS;

  constructor(pipeline: string, store: DeadLetterStore) {
    this.#pipeline = pipeline;
    this.#store = store;
  }

  has(document: string): boolean {
    return this.#documents.has(document) || this.#coming.includes(document);
  }

  /** True when the store holds this very event: then its own letter tells more than that it waits. */
  holds(eventId: string): boolean {
    return this.#events.has(eventId);
  }

  /** Looks again unless the last look is fresh: a document that changes all the time must not miss its replay. */
  async refresh(signal: AbortSignal): Promise<void> {
    if (performance.now() - this.#lookedAtMs > this.#freshForMs) await this.load(signal);
  }

  /** Parks the documents, and does what brings the dead letters of these events to the store. */
  put(letters: readonly ParkedLetter[], work: () => Promise<void>): Promise<void> {
    const documents = letters.flatMap(({ document }) => document ?? []);
    this.#coming.push(...documents);
    return this.#inTurn(async () => {
      await work();
      for (const { document, eventId } of letters) {
        if (document === undefined) continue;
        this.#documents.add(document);
        this.#events.add(eventId);
        this.#coming.splice(this.#coming.indexOf(document), 1);
      }
    });
  }

  /** Reads from the store which documents are parked. */
  load(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const startedMs = performance.now();
      const documents = new Set<string>();
      const events = new Set<string>();
      for await (const { id, orderingKey } of this.#store.list(this.#pipeline, signal)) {
        if (orderingKey === undefined) continue;
        documents.add(orderingKey);
        events.add(id);
      }
      this.#documents = documents;
      this.#events = events;
      this.#lookedAtMs = performance.now();
      this.#freshForMs = Math.max(FRESH_FOR_MS, LOOK_SHARE * (this.#lookedAtMs - startedMs));
    });
  }

  /** Looks again and again while something is parked, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(Math.max(LOOK_EVERY_MS, this.#freshForMs), undefined, { signal });
      if (this.#documents.size > 0) await this.load(signal);
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }
}

/** An event that becomes a dead letter, and its document as far as it can be told. */
export interface ParkedLetter {
  readonly eventId: string;
  readonly document: string | undefined;
}
