import { findField } from '../../../../bson/elements.ts';
import type { ChangeEvent } from '../../../../core/change-event.ts';
import { type ClusterTime, compareClusterTime } from '../../../../core/cluster-time.ts';
import { type KeyIndex, keyIndexOf } from './model-keys.ts';
import { ModelEvent } from './model-server.ts';

interface Held {
  readonly document: Uint8Array;
  readonly since: ClusterTime;
}

/** The documents of a sink by collection and key. */
export class SinkDocuments {
  readonly #held = new Map<string, Map<KeyIndex, Held>>();

  /** Puts a document there that was given at a time. */
  put(coll: string, key: KeyIndex, document: Uint8Array, since: ClusterTime): void {
    this.#of(coll).set(key, { document, since });
  }

  get(coll: string, key: KeyIndex): Uint8Array | undefined {
    return this.#held.get(coll)?.get(key)?.document;
  }

  keys(coll: string): KeyIndex[] {
    return [...this.#of(coll).keys()].sort((a, b) => a - b);
  }

  /** What a sink that keeps documents does with an event. A renamed collection is gone; it comes again under its name. */
  apply(event: ChangeEvent): void {
    const { coll } = event.namespace;
    if (event.op === 'drop' || event.op === 'rename') {
      this.#held.delete(coll);
      if (event instanceof ModelEvent && event.write.to !== undefined) this.#held.delete(event.write.to);
    } else if (event.op === 'snapshotEnd') {
      this.#forget(coll, sinceOf(event));
    } else {
      const key = keyOf(event);
      const document = event.after();
      if (document === undefined) this.#of(coll).delete(key);
      else this.put(coll, key, document, event.version.clusterTime);
    }
  }

  #of(coll: string): Map<KeyIndex, Held> {
    const documents = this.#held.get(coll) ?? new Map<KeyIndex, Held>();
    this.#held.set(coll, documents);
    return documents;
  }

  #forget(coll: string, since: ClusterTime): void {
    const documents = this.#of(coll);
    for (const [key, held] of documents) if (compareClusterTime(held.since, since) < 0) documents.delete(key);
  }
}

function keyOf(event: ChangeEvent): KeyIndex {
  const id = findField(event.key() ?? new Uint8Array(), '_id');
  if (id === undefined) throw new Error(`a ${event.op} has no key`);
  return keyIndexOf(id);
}

function sinceOf(event: ChangeEvent): ClusterTime {
  const since = event.field('since');
  if (since === undefined) throw new Error('a snapshotEnd has no time');
  const view = new DataView(since.bytes.buffer, since.bytes.byteOffset, since.bytes.byteLength);
  return { t: view.getUint32(4, true), i: view.getUint32(0, true) };
}
