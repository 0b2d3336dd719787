import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import { change, type IndexMark, type IndexState, markOf, noteOf, readIndex } from './index-state.ts';
import type { IndexesParts } from './indexes.ts';

/** Others may change the mark between reading and writing it. */
const MOST_TRIES = 3;

/** Changes the marks of indexes that are there. Changes that are repeated change nothing. */
export class IndexMarks {
  readonly #parts: Pick<IndexesParts, 'client' | 'logger'>;

  constructor(parts: Pick<IndexesParts, 'client' | 'logger'>) {
    this.#parts = parts;
  }

  /** Notes that everything below this version is gone at the source. The index as it is then; undefined when there is none. */
  noteGone(index: string, source: Namespace, before: bigint, signal: AbortSignal): Promise<IndexState | undefined> {
    const noted = (mark: IndexMark) =>
      goneBefore(mark) >= before ? undefined : { ...mark, goneBefore: before.toString() };
    return this.#change(index, source, noted, signal);
  }

  /** As `noteGone`: that the collection has another name now. Nothing is noted in the index of another collection. */
  noteRename(index: string, from: Namespace, to: Namespace, signal: AbortSignal): Promise<IndexState | undefined> {
    const renamedTo = formatNamespace(to);
    const noted = (mark: IndexMark) =>
      mark.namespace === renamedTo || mark.renamedTo === renamedTo || !isOf(mark, from)
        ? undefined
        : { ...mark, renamedTo };
    return this.#change(index, from, noted, signal);
  }

  async #change(
    index: string,
    source: Namespace,
    noted: (mark: IndexMark) => IndexMark | undefined,
    signal: AbortSignal,
  ): Promise<IndexState | undefined> {
    const { client, logger } = this.#parts;
    const doing = `note in the mapping of the index "${index}" what became of its collection`;
    const path = `/${encodeURIComponent(index)}/_mapping`;
    for (let attempt = 0; ; attempt++) {
      const state = await readIndex(client, index, signal);
      if (state === undefined) return undefined;
      const wanted = noted(state.mark ?? markOf(source, true));
      if (wanted === undefined) return state;
      const refused =
        attempt === MOST_TRIES || !(await this.#put({ path, content: noteOf(state, wanted), doing, signal }));
      if (!refused) continue;
      logger.warn({ index }, 'what became of a collection cannot be noted in its index: other workers do not know it');
      return state;
    }
  }

  async #put(request: Parameters<typeof change>[1]): Promise<boolean> {
    try {
      return (await change(this.#parts.client, request)).ok;
    } catch (error) {
      if (error instanceof SluiceError && error.kind === 'config') return false;
      throw error;
    }
  }
}

/** What is older is gone at the source; 0 when nothing is known. */
export function goneBefore(mark: IndexMark | undefined): bigint {
  return BigInt(mark?.goneBefore ?? 0);
}

/** Whether the documents of an index are those of the collection, under this name or a later one. */
export function isOf({ namespace, formerly = [] }: IndexMark, source: Namespace): boolean {
  const name = formatNamespace(source);
  return namespace === name || formerly.includes(name);
}
