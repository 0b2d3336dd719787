import { formatNamespace } from '../../../core/change-event.ts';
import { asSluiceError, isAbort, type SluiceError } from '../../../core/failure.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Aligner, ChunkRead } from './aligner.ts';
import type { Pacing } from './pacing.ts';
import { copyOf } from './plan.ts';
import type { ChunkResult } from './rows.ts';
import type { SnapshotServer } from './snapshot-server.ts';
import { type CollectionCopy, changeCopy, EMPTY_COPY } from './snapshot-state.ts';
import type { StructureReader } from './structure-reader.ts';

/** After a read at a time that the server cannot read at: how long before the next one, at a later time. */
const LATER_MS = 250;
/** Reads of a collection that only has the same name, before it is taken for what there is now. */
const OTHER_COLLECTION_READS = 20;
/** A read cannot be made at that time, but at a later one. */
const READ_LATER = ['mongodb.snapshot-too-old', 'mongodb.snapshot-unavailable'];
const OTHER_COLLECTION = 'mongodb.collection-changed';

/** What reads are made with. */
export interface ReadParts {
  readonly aligner: Aligner;
  readonly server: SnapshotServer;
  /** Set when it is to be handed out what collections are like. */
  readonly structure?: StructureReader | undefined;
  readonly pacing: Pacing;
  readonly parallelism: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Whether something holds up the copy at the moment. */
  readonly waits: () => boolean;
  /** Whether the stream has shown all there is. */
  readonly caughtUp: () => boolean;
  /** Lets something go on beside the stream; its failure ends the stream. */
  readonly work: (work: Promise<void>) => void;
  /** Ends the copy that somebody asked for, because of what is wrong with it. */
  readonly giveUp: (error: SluiceError) => void;
}

/** Reads the chunks that the aligner wants, several at a time, as far as memory and pace allow. */
export class SnapshotReads {
  readonly #parts: ReadParts;
  readonly #splitting = new Set<string>();
  readonly #otherCollection = new Map<string, number>();
  #notBeforeMs = 0;

  constructor(parts: ReadParts) {
    this.#parts = parts;
  }

  /** True while nothing is being read or waits to be handed out. */
  get idle(): boolean {
    return this.#parts.aligner.chunks + this.#splitting.size === 0;
  }

  /** How long until a read may be made again (ms). */
  get waitMs(): number {
    return this.#notBeforeMs - performance.now();
  }

  /** Begins what can be read now: chunks, else the question where the ranges of the next collection end. */
  start(): void {
    const { aligner, parallelism, work, waits } = this.#parts;
    const { run } = aligner.state;
    if (run === undefined || run.paused) return;
    while (aligner.chunks + this.#splitting.size < parallelism && !waits() && this.waitMs <= 0) {
      const read = aligner.startRead();
      const unsplit = read === undefined ? this.#nextUnsplit(run.collections) : undefined;
      if (read !== undefined) work(this.#read(read));
      else if (unsplit !== undefined) work(this.#split(unsplit));
      else return;
    }
  }

  async #read(read: ChunkRead): Promise<void> {
    const { aligner, server, pacing } = this.#parts;
    try {
      const result = await server.read(read, pacing.maxRows, pacing.maxBytes);
      pacing.spent(result.keys, result.bytes, Date.now());
      aligner.finish(read, { ...result, ...(await this.#structureAround(read.copy, result)) });
    } catch (error) {
      aligner.fail(read);
      this.#readLater(read.copy, error);
    }
  }

  /**
   * What goes in front of the chunk or behind it, looked up after it was read: a change of it since then is in the
   * stream behind the chunk, and repeating one that is included already does nothing.
   */
  async #structureAround(
    copy: CollectionCopy,
    { next }: ChunkResult,
  ): Promise<Pick<ChunkResult, 'create' | 'indexes'>> {
    const { aligner, structure } = this.#parts;
    if (structure === undefined) return {};
    return {
      create: aligner.isDescribed(copy) ? undefined : await structure.create(copy),
      indexes: next === undefined ? await structure.indexes(copy) : undefined,
    };
  }

  /**
   * A read that comes too early or too late is repeated at a later time. What is wrong with a copy that somebody asked for
   * ends that copy; every other failure ends the stream.
   */
  #readLater(copy: CollectionCopy, thrown: unknown): void {
    const { aligner, logger, signal, giveUp, caughtUp } = this.#parts;
    if (isAbort(thrown, signal)) throw thrown;
    const error = asSluiceError(thrown);
    const { code } = error;
    const namespace = formatNamespace(copy.namespace);
    if (error.kind !== 'transient' && aligner.state.run?.reason === 'on-demand') return giveUp(error);
    if (code === OTHER_COLLECTION) {
      const times = (this.#otherCollection.get(namespace) ?? 0) + 1;
      this.#otherCollection.set(namespace, caughtUp() ? times : 0);
      if (times > OTHER_COLLECTION_READS) this.#beginAnew(namespace, copy);
    } else if (!READ_LATER.includes(code)) throw error;
    logger.debug({ namespace, code }, 'a part of a collection is read again at a later time');
    this.#notBeforeMs = performance.now() + LATER_MS;
  }

  /** The stream has shown everything and not that the collection is another one (its events are filtered out). */
  #beginAnew(name: string, { namespace, match }: CollectionCopy): void {
    const { aligner, logger } = this.#parts;
    this.#otherCollection.delete(name);
    if (aligner.state.run?.collections.has(name) !== true) return;
    logger.warn({ namespace: name }, 'the collection is another one now: copying it from its beginning');
    // What the sink has of the one before is not known, so all changes pass.
    aligner.update(changeCopy(aligner.state, name, { ...EMPTY_COPY, namespace, mode: 'pass', match }));
  }

  #nextUnsplit(collections: ReadonlyMap<string, CollectionCopy>): CollectionCopy | undefined {
    for (const [name, copy] of collections) {
      if (copy.remaining === undefined && !this.#splitting.has(name)) return copy;
    }
    return undefined;
  }

  async #split(unsplit: CollectionCopy): Promise<void> {
    const { aligner, server } = this.#parts;
    const name = formatNamespace(unsplit.namespace);
    this.#splitting.add(name);
    try {
      const copy = unsplit.estimatedRows === undefined ? await this.#describe(unsplit) : unsplit;
      const remaining = copy === undefined ? [] : await server.split(copy);
      // Meanwhile it may have been dropped, or have begun anew.
      if (aligner.state.run?.collections.get(name) !== unsplit) return;
      aligner.update(changeCopy(aligner.state, name, { ...(copy ?? unsplit), remaining }));
    } finally {
      this.#splitting.delete(name);
    }
  }

  /** The copy with what the catalog knows of its collection; undefined when it is gone. */
  async #describe(copy: CollectionCopy): Promise<CollectionCopy | undefined> {
    const { collections } = await this.#parts.server.list({ level: 'collection', ...copy.namespace });
    const [listed] = collections;
    return listed && copyOf(listed, copy.mode, copy.match);
  }
}
