import { renamedTo, sinceOf } from '../../bson/collection-event.ts';
import { findField } from '../../bson/elements.ts';
import { type ChangeEvent, formatNamespace, type Namespace } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { WriteContext } from '../../core/sink.ts';
import { versionNumber, versionNumberOfTime } from '../../core/version-number.ts';
import type { SearchSinkConfig } from './config.ts';
import { indexExists, pagesOf } from './document-pages.ts';
import type { Indexes } from './indexes.ts';
import { moveDocuments } from './rename.ts';
import { type SweepParts, sweep } from './sweep.ts';
import type { TargetIndex, TargetIndexes } from './target-indexes.ts';
import { convertedCollection, isTemporary } from './temporary-names.ts';
import { IS_TOMBSTONE } from './tombstones.ts';

/** What became of an event that is about no single document. */
export type OtherOutcome = 'applied' | 'ignored' | 'rejected';

/** What such events are dealt with. */
export interface OtherEventsParts extends SweepParts {
  readonly config: Pick<SearchSinkConfig, 'onDrop' | 'onRename'>;
  readonly targets: TargetIndexes;
  readonly indexes: Indexes;
}

/** Follows drops, renames and structure, and deletes what a copy has shown to be gone. All of it can be repeated. */
export class OtherEvents {
  readonly #parts: OtherEventsParts;

  constructor(parts: OtherEventsParts) {
    this.#parts = parts;
    parts.indexes.removeWith(async (index, before, signal) => {
      const removed = await sweep(parts, index, before, { signal });
      parts.logger.info({ index, removed }, 'removed documents of a collection that another worker has seen dropped');
    });
  }

  async apply(envelope: Envelope, context: WriteContext): Promise<OtherOutcome> {
    const { event } = envelope;
    if (event.op === 'gap') {
      this.#parts.logger.warn({ event: event.id }, 'changes are missing in the target: the source had lost them');
      return 'ignored';
    }
    // Collections of the server itself are not copied, and a database that is dropped has told of each collection before.
    if (event.namespace.coll === '' || event.namespace.coll.startsWith('system.')) return 'ignored';
    const converted = convertedCollection(event.namespace);
    if (converted !== undefined) return this.#conversion(event, converted);
    switch (event.op) {
      case 'snapshotEnd':
        return this.#snapshotEnd(envelope, context);
      case 'drop':
        return this.#drop(envelope, context);
      case 'rename':
        return this.#rename(envelope, context);
      case 'create':
      case 'modify':
        await this.#parts.indexes.structure(envelope, this.#parts.targets.of(envelope).index, context.signal);
        return 'applied';
      default:
        return 'ignored';
    }
  }

  async #snapshotEnd(envelope: Envelope, context: WriteContext): Promise<OtherOutcome> {
    const since = sinceOf(envelope.event);
    if (since === undefined) return 'ignored';
    await this.#sweep(envelope, versionNumberOfTime(since), context);
    return 'applied';
  }

  async #drop(envelope: Envelope, context: WriteContext): Promise<OtherOutcome> {
    if (this.#parts.config.onDrop === 'keep') return 'ignored';
    await this.#sweep(envelope, versionNumber(envelope.event.version).value, context);
    await this.#removeTemporary(this.#parts.targets.of(envelope).index, envelope.event.namespace, context);
    return 'applied';
  }

  /**
   * `convertToCapped` tells of some of the documents that do not fit as deletes in its copy, which are applied (see
   * `TargetIndexes.of`). Those that it does not copy at all, which are the oldest, have no event.
   */
  #conversion(event: ChangeEvent, collection: Namespace): OtherOutcome {
    const { logger, targets } = this.#parts;
    const fields = { collection: formatNamespace(collection) };
    if (event.op === 'drop' && targets.wasConverted(collection)) {
      logger.warn(
        fields,
        'a conversion to a capped collection was given up: documents may be missing in the index. Copy the collection again',
      );
    } else if (event.op === 'rename') {
      logger.warn(
        fields,
        'a collection was made a capped one: documents for which it had no room are still in the index, since the source does not tell of all of them. If there are any, delete the index and copy the collection again',
      );
    }
    return 'ignored';
  }

  async #sweep(envelope: Envelope, before: bigint, context: WriteContext): Promise<void> {
    const { client, logger, targets } = this.#parts;
    const target = targets.of(envelope);
    if (!(await indexExists(client, target.index, context.signal))) return;
    const removed = await this.#removeOlder(target, before, context);
    const fields = { index: target.index, removed, event: envelope.event.op };
    logger.info(fields, 'removed documents that are gone at the source');
  }

  async #removeOlder(target: TargetIndex, before: bigint, { signal, ensureOwned }: WriteContext): Promise<number> {
    const { index, namespace, source } = target;
    const { indexes } = this.#parts;
    // Finds out whose index it is, before anything of it is deleted.
    await indexes.prepare(index, namespace, source, signal);
    // Before it is looked through: what another worker has written by then is found, and it leaves out the rest.
    await indexes.noteGone(index, source, before, signal);
    return sweep(this.#parts, index, before, { signal, ensureOwned });
  }

  async #rename(envelope: Envelope, context: WriteContext): Promise<OtherOutcome> {
    const { client, config, indexes, logger, targets } = this.#parts;
    const { signal, ensureOwned } = context;
    const { event } = envelope;
    if (config.onRename === 'ignore') return 'ignored';
    const renamed = renamedTo(event);
    const to = renamed && asTransformed(envelope, renamed);
    if (renamed === undefined || to === undefined) {
      logger.warn(
        { collection: formatNamespace(event.namespace) },
        'a rename is not followed: its new name here is not known',
      );
      return 'ignored';
    }
    const from = targets.named(envelope.namespace);
    const index = targets.named(to);
    if (from === index) return this.#renameInPlace(envelope, { index, to, renamed }, context);
    const move = { from, to: index, version: versionNumber(event.version), dropTarget: this.#dropsTarget(event) };
    if (await indexExists(client, from, signal)) {
      await indexes.prepare(from, envelope.namespace, event.namespace, signal);
    } else {
      logger.warn({ index: from }, 'there is no index to rename: copy the collection under its new name');
    }
    await indexes.prepare(index, to, renamed, signal);
    if (move.dropTarget) await indexes.noteGone(index, renamed, move.version.value, signal);
    const { moved, refused } = await moveDocuments(this.#parts, move, { signal, ensureOwned });
    // It has fields now that were not made by `indexes`.
    indexes.forget(index);
    logger.info({ from, to: index, moved }, 'moved the documents of a renamed collection');
    const [first] = refused;
    if (first === undefined) {
      await this.#removeTemporary(from, event.namespace, context);
      return 'applied';
    }
    await context.reject([{ envelope, error: notMoved(refused.length, from, first) }]);
    return 'rejected';
  }

  /** Where both names have one index, the documents stay, unless those that are there were replaced. */
  async #renameInPlace(
    { event }: Envelope,
    { index, to, renamed }: { readonly index: string; readonly to: Namespace; readonly renamed: Namespace },
    context: WriteContext,
  ): Promise<OtherOutcome> {
    const { indexes, logger, targets } = this.#parts;
    const isOwner = await indexes.noteRename(index, event.namespace, renamed, context.signal);
    if (isOwner === true) {
      targets.renamed(index, renamed);
      return 'applied';
    }
    if (isOwner === undefined || !this.#dropsTarget(event)) return 'ignored';
    logger.warn({ index }, 'another collection has replaced that of an index: copy it under its new name');
    const replaced = { index, namespace: to, source: renamed };
    await this.#removeOlder(replaced, versionNumber(event.version).value, context);
    return 'applied';
  }

  /**
   * Each run of `$out` has a collection of its own: the index that was made for it would stay for ever. What anybody else has made,
   * or put into it, stays.
   */
  async #removeTemporary(index: string, source: Namespace, { signal, ensureOwned }: WriteContext): Promise<void> {
    const { client, indexes, logger, mode, targets } = this.#parts;
    if (!isTemporary(source) || !indexes.isOwn(index, source)) return;
    const query = mode === 'tombstone' ? { bool: { must_not: [IS_TOMBSTONE] } } : undefined;
    for await (const hits of pagesOf(client, { index, query }, { signal, ensureOwned })) {
      if (hits.length > 0) return;
    }
    ensureOwned?.();
    const doing = `remove the index "${index}" of a temporary collection`;
    const path = `/${encodeURIComponent(index)}`;
    try {
      const { status } = await client.request({ method: 'DELETE', path, doing, signal });
      if (status < 300) logger.info({ index }, 'removed the index of a temporary collection');
    } catch (error) {
      if (!(error instanceof SluiceError) || error.kind !== 'config') throw error;
      logger.warn({ index, reason: error.message }, 'the index of a temporary collection stays');
    }
    indexes.forget(index);
    targets.forget(index);
  }

  /** Where the source does not tell, the collection of that name is gone there in any case. */
  #dropsTarget(event: ChangeEvent): boolean {
    if (this.#parts.config.onDrop === 'keep') return false;
    const description = event.field('operationDescription');
    return description === undefined || findField(description.bytes, 'dropTarget') !== undefined;
  }
}

/** Where a transform has given the collection another name, that of the new one is not known. */
function asTransformed({ event, namespace }: Envelope, to: Namespace): Namespace | undefined {
  const own = event.namespace;
  if (namespace.coll !== own.coll) return undefined;
  if (namespace.db === own.db) return to;
  return to.db === own.db ? { db: namespace.db, coll: to.coll } : undefined;
}

function notMoved(count: number, from: string, { message, hint }: SluiceError): SluiceError {
  return new SluiceError(`${count} documents of a renamed collection stay in the index "${from}": ${message}`, {
    kind: 'rejected',
    code: 'search.rename-refused',
    hint: `${hint ?? ''} Replaying the dead letter moves what is left.`.trim(),
  });
}
