import { asSluiceError, isAbort } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { SchemaStore } from '../core/schema-store.ts';
import type { LearnedCollection } from './learned-collection.ts';
import type { SchemaMemory } from './schema-memory.ts';
import { loadSchemas, updateStored } from './stored-schemas.ts';

/** What is new is saved so soon; counts alone wait longer. */
const NEWS_AFTER_MS = 3_000;
const COUNTS_AFTER_MS = 60_000;
const SAVE_LIMIT_MS = 10_000;
/** The end of an attempt waits no longer: the next one may be what repairs things. */
const LAST_SAVE_LIMIT_MS = 2_000;

/** What a saver works with. */
export interface SchemaSaverOptions {
  readonly pipeline: string;
  readonly memory: SchemaMemory;
  readonly open: (signal: AbortSignal) => Promise<SchemaStore>;
  readonly logger: Logger;
}

/**
 * Brings what is learned to the store in the background, merged with what is there. A save that fails is told once, and
 * repeated later.
 */
export class SchemaSaver implements AsyncDisposable {
  readonly #options: SchemaSaverOptions;
  #store: SchemaStore | undefined;
  #news: NodeJS.Timeout | undefined;
  #counts: NodeJS.Timeout | undefined;
  /** Aborts what still works on the store when it is to be closed. */
  readonly #close = new AbortController();
  /** One at a time works on the store. */
  #turn: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(options: SchemaSaverOptions) {
    this.#options = options;
  }

  /** Opens the store and takes over what is in it. */
  async load(signal: AbortSignal): Promise<void> {
    const { open, pipeline, memory } = this.#options;
    const store = await open(signal);
    try {
      memory.adopt(await loadSchemas(store, pipeline, signal));
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
    this.#store = store;
    this.#counts = setInterval(() => void this.#saveOrTell(), COUNTS_AFTER_MS).unref();
  }

  /** Takes over what other processes have stored meanwhile. */
  refresh(signal: AbortSignal): Promise<void> {
    const { memory, pipeline } = this.#options;
    return this.#inTurn(async () => {
      if (this.#store !== undefined) memory.adopt(await loadSchemas(this.#store, pipeline, signal));
    });
  }

  /** There is more to save than counts. */
  news(collection: LearnedCollection): void {
    this.#options.memory.unstored.add(collection);
    if (this.#store === undefined) return;
    this.#news ??= setTimeout(() => {
      this.#news = undefined;
      void this.#saveOrTell();
    }, NEWS_AFTER_MS).unref();
  }

  /** Saves everything now; rejects when it fails. */
  save(signal: AbortSignal): Promise<void> {
    return this.#inTurn(() => this.#saveAll(signal));
  }

  /** Saves what is left, unless that takes long, and closes the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#news);
    clearInterval(this.#counts);
    const limit = setTimeout(() => this.#close.abort(), LAST_SAVE_LIMIT_MS);
    await this.#saveOrTell();
    clearTimeout(limit);
    await this.#store?.[Symbol.asyncDispose]();
    this.#store = undefined;
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    await done;
  }

  async #saveOrTell(): Promise<void> {
    const signal = AbortSignal.any([AbortSignal.timeout(SAVE_LIMIT_MS), this.#close.signal]);
    try {
      await this.save(signal);
      this.#failed = false;
    } catch (error) {
      this.#tell(error, signal);
    }
  }

  /** A store that cannot be written loses nothing but what a restart would have to learn again. */
  #tell(error: unknown, signal: AbortSignal): void {
    const { code, message, hint } = asSluiceError(error);
    const reason = isAbort(error, signal) ? 'it took too long' : message;
    if (!this.#failed) this.#options.logger.warn({ code, hint, reason }, 'what was learned of the schema is not saved');
    this.#failed = true;
  }

  async #saveAll(signal: AbortSignal): Promise<void> {
    const { unstored, collections } = this.#options.memory;
    for (const collection of collections) if (collection.hasUnstoredCounts) unstored.add(collection);
    const due = [...unstored];
    for (const collection of due) {
      if (this.#store === undefined) return;
      unstored.delete(collection);
      await this.#saveOne(this.#store, collection, signal).catch((error: unknown) => {
        unstored.add(collection);
        throw error;
      });
    }
  }

  async #saveOne(store: SchemaStore, collection: LearnedCollection, signal: AbortSignal): Promise<void> {
    const { pipeline, memory } = this.#options;
    const unstored = collection.takeUnstored();
    const update = { store, pipeline, collection: collection.name, settings: memory.settings, signal };
    try {
      collection.adopt(await updateStored(update, (stored) => stored.add(unstored)));
    } catch (error) {
      collection.giveBack(unstored);
      throw error;
    }
  }
}
