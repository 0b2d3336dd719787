import { type ChangeEvent, formatNamespace } from '../../../core/change-event.ts';
import type { Position } from '../../../core/position.ts';
import { snapshotEnd, structureEvent } from './marker-events.ts';
import type { ChunkResult } from './rows.ts';
import type { CollectionCopy, SnapshotRun } from './snapshot-state.ts';

/** The collections of which it has been handed out what they are like, since the stream was opened. */
export class Described {
  readonly #collections = new Set<string>();

  has(copy: CollectionCopy): boolean {
    return this.#collections.has(identityOf(copy));
  }

  /**
   * What stands in front of the first rows of a collection; also after a restart, since nobody knows whether it was
   * handed out before. `position` is that in front of the chunk: where a batch is cut behind it, the chunk is to come.
   */
  head(copy: CollectionCopy, { create, readAtMs }: ChunkResult, position: Position): ChangeEvent[] {
    if (create === undefined || this.has(copy)) return [];
    this.#collections.add(identityOf(copy));
    return [structureEvent(copy.namespace, create, { position, atMs: readAtMs })];
  }
}

/**
 * What stands behind the last rows of a collection. The last event has the position at which the collection is copied;
 * where a batch is cut in front of it, the rest is to come again.
 */
export function tailOf(
  { reason, since }: SnapshotRun,
  { namespace }: CollectionCopy,
  { indexes, readAtMs: atMs }: ChunkResult,
  { position, behindRows }: { readonly position: Position; readonly behindRows: Position },
): ChangeEvent[] {
  const events: ChangeEvent[] = [];
  if (reason === 'position-lost') {
    const isLast = indexes === undefined;
    events.push(snapshotEnd(namespace, { since, position: isLast ? position : behindRows, atMs }));
  }
  if (indexes !== undefined) events.push(structureEvent(namespace, indexes, { position, atMs }));
  return events;
}

function identityOf({ namespace, uuid = '' }: CollectionCopy): string {
  return `${formatNamespace(namespace)} ${uuid}`;
}
