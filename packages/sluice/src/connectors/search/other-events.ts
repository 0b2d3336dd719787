import { asBuffer, BsonType, fieldsOf, findField } from '../../bson/elements.ts';
import { type BsonValue, type ChangeEvent, formatNamespace, type Namespace } from '../../core/change-event.ts';
import type { ClusterTime } from '../../core/cluster-time.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { WriteContext } from '../../core/sink.ts';
import { versionNumber, versionNumberOfTime } from '../../core/version-number.ts';
import type { SearchSinkConfig } from './config.ts';
import { indexExists } from './document-pages.ts';
import type { Indexes } from './indexes.ts';
import { moveDocuments } from './rename.ts';
import { type SweepParts, sweep } from './sweep.ts';
import type { TargetIndexes } from './target-indexes.ts';

/** What became of an event that is about no single document. */
export type OtherOutcome = 'applied' | 'ignored' | 'rejected';

/** What such events are dealt with. */
export interface OtherEventsParts extends SweepParts {
  readonly config: Pick<SearchSinkConfig, 'onDrop' | 'onRename'>;
  readonly targets: TargetIndexes;
  readonly indexes: Indexes;
}

/** `convertToCapped` copies the documents into a collection of such a name, without events for them. */
const CONVERSION = /^tmp\w+\.convertToCapped\./;

/** Follows drops, renames and structure, and deletes what a copy has shown to be gone. All of it can be repeated. */
export class OtherEvents {
  readonly #parts: OtherEventsParts;

  constructor(parts: OtherEventsParts) {
    this.#parts = parts;
  }

  async apply(envelope: Envelope, context: WriteContext): Promise<OtherOutcome> {
    const { event } = envelope;
    if (event.op === 'gap') {
      this.#parts.logger.warn({ event: event.id }, 'changes are missing in the target: the source had lost them');
      return 'ignored';
    }
    // Collections of the server itself are not copied, and a database that is dropped has told of each collection before.
    if (event.namespace.coll === '' || event.namespace.coll.startsWith('system.')) return 'ignored';
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
    const since = timeOf(envelope.event.field('since'));
    if (since === undefined) return 'ignored';
    await this.#sweep(envelope, versionNumberOfTime(since), context);
    return 'applied';
  }

  async #drop(envelope: Envelope, context: WriteContext): Promise<OtherOutcome> {
    if (this.#parts.config.onDrop === 'keep') return 'ignored';
    await this.#sweep(envelope, versionNumber(envelope.event.version).value, context);
    return 'applied';
  }

  async #sweep(envelope: Envelope, before: bigint, { signal, ensureOwned }: WriteContext): Promise<void> {
    const { client, targets, indexes, logger } = this.#parts;
    const { index, namespace, source } = targets.of(envelope);
    if (!(await indexExists(client, index, signal))) return;
    // Finds out whose index it is, before anything of it is deleted.
    await indexes.prepare(index, namespace, source, signal);
    const removed = await sweep(this.#parts, index, before, { signal, ensureOwned });
    logger.info({ index, removed, event: envelope.event.op }, 'removed documents that are gone at the source');
  }

  async #rename(envelope: Envelope, context: WriteContext): Promise<OtherOutcome> {
    const { client, config, indexes, logger, targets } = this.#parts;
    const { signal, ensureOwned } = context;
    const { event } = envelope;
    if (config.onRename === 'ignore' || CONVERSION.test(event.namespace.coll)) return 'ignored';
    const renamed = namespaceIn(event.field('to'));
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
    if (from === index) return 'ignored';
    const move = { from, to: index, version: versionNumber(event.version), dropTarget: this.#dropsTarget(event) };
    if (await indexExists(client, from, signal)) {
      await indexes.prepare(from, envelope.namespace, event.namespace, signal);
    } else {
      logger.warn({ index: from }, 'there is no index to rename: copy the collection under its new name');
    }
    await indexes.prepare(index, to, renamed, signal);
    const { moved, refused } = await moveDocuments(this.#parts, move, { signal, ensureOwned });
    // It has fields now that were not made by `indexes`.
    indexes.forget(index);
    logger.info({ from, to: index, moved }, 'moved the documents of a renamed collection');
    const [first] = refused;
    if (first === undefined) return 'applied';
    await context.reject([{ envelope, error: notMoved(refused.length, from, first) }]);
    return 'rejected';
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

function namespaceIn(value: BsonValue | undefined): Namespace | undefined {
  if (value?.type !== BsonType.document) return undefined;
  const names = new Map<string, string>();
  for (const { name, type, bytes } of fieldsOf(value.bytes)) {
    if (type === BsonType.string) names.set(name, asBuffer(bytes).toString('utf8', 4, bytes.length - 1));
  }
  const [db, coll] = [names.get('db'), names.get('coll')];
  return db === undefined || coll === undefined ? undefined : { db, coll };
}

function timeOf(value: BsonValue | undefined): ClusterTime | undefined {
  if (value?.type !== BsonType.timestamp) return undefined;
  const bytes = asBuffer(value.bytes);
  return { t: bytes.readUInt32LE(4), i: bytes.readUInt32LE(0) };
}

function notMoved(count: number, from: string, { message, hint }: SluiceError): SluiceError {
  return new SluiceError(`${count} documents of a renamed collection stay in the index "${from}": ${message}`, {
    kind: 'rejected',
    code: 'search.rename-refused',
    hint: `${hint ?? ''} Replaying the dead letter moves what is left.`.trim(),
  });
}
