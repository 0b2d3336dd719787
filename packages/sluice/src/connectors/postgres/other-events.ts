import { asBuffer, BsonType, findField } from '../../bson/elements.ts';
import { textOfValue } from '../../bson/make-values.ts';
import { type ChangeEvent, formatNamespace, type Namespace, type Version } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import type { Logger } from '../../core/logger.ts';
import type { Collections } from './collections.ts';
import { validatorFields } from './columns/validator-fields.ts';
import type { PostgresSinkConfig } from './config.ts';
import type { TargetNames } from './names.ts';
import { moveRows } from './rename.ts';
import type { Sessions } from './sessions.ts';
import { sweep, TableWork, type TableWorkParts } from './sweep.ts';
import type { ApplyOther, PartContext } from './write-batch.ts';

/** What events are dealt with that are about no single document. */
export interface OtherEventsParts extends TableWorkParts {
  readonly config: Pick<PostgresSinkConfig, 'onDrop' | 'onRename'>;
  readonly names: TargetNames;
  readonly sessions: Sessions;
  readonly collections: Collections;
  readonly logger: Logger;
}

type Outcome = 'applied' | 'ignored';

/** `convertToCapped` copies the documents into a collection of such a name, without events for them. */
const CONVERSION = /^tmp\w+\.convertToCapped\./;

/** Deletes what is gone, moves what has another name, and hands on what the source says of its collections. */
export function otherEvents(parts: OtherEventsParts): ApplyOther {
  return async (envelope, context) => {
    const { event, namespace } = envelope;
    switch (event.op) {
      case 'snapshotEnd':
        return await inTable(parts, context, (work) => endSnapshot(parts, work, envelope));
      case 'gap':
        parts.logger.warn({ event: event.id }, 'changes are missing in the target: the source had lost them');
        return 'ignored';
      case 'drop':
        if (parts.config.onDrop === 'keep') return 'ignored';
        return await inTable(parts, context, (work) => emptyTable(parts, work, namespace, event.version));
      case 'rename':
        if (parts.config.onRename === 'ignore') return 'ignored';
        return await inTable(parts, context, (work) => rename(parts, work, envelope));
      case 'create':
      case 'modify':
        return await inTable(parts, context, (work) => useStructure(parts, work, envelope));
      default:
        return 'ignored';
    }
  };
}

function inTable(
  parts: OtherEventsParts,
  context: PartContext,
  work: (work: TableWork) => Promise<Outcome>,
): Promise<Outcome> {
  return parts.sessions.use(context.signal, (session) => work(new TableWork(session, parts, context)));
}

async function endSnapshot(parts: OtherEventsParts, work: TableWork, { event, namespace }: Envelope): Promise<Outcome> {
  const since = sinceOf(event);
  if (since === undefined) return 'ignored';
  return await emptyTable(parts, work, namespace, since);
}

/** Deletes what is older than the version. */
async function emptyTable(
  parts: OtherEventsParts,
  work: TableWork,
  namespace: Namespace,
  version: Version,
): Promise<Outcome> {
  if (isShared(parts, namespace)) return 'ignored';
  const table = await parts.tables.find(work.session, namespace, work.signal);
  if (table === undefined) return 'ignored';
  const rows = await sweep(work, table, version);
  parts.logger.info({ table: table.shown, rows }, 'rows of documents that are gone at the source were deleted');
  return 'applied';
}

async function rename(parts: OtherEventsParts, work: TableWork, envelope: Envelope): Promise<Outcome> {
  const { event, namespace } = envelope;
  const { names, tables, collections, logger } = parts;
  const newName = renamedTo(event);
  const to = newName && names.other(envelope, newName);
  if (to === undefined) {
    logger.warn(
      { collection: formatNamespace(namespace) },
      'it is not known which table the new name of a collection has',
    );
    return 'ignored';
  }
  if (isShared(parts, namespace) || isShared(parts, to)) return 'ignored';
  // The documents have come under the other name before; nothing of what is there goes.
  if (CONVERSION.test(event.namespace.coll)) return 'ignored';
  const from = await tables.find(work.session, namespace, work.signal);
  if (from === undefined) return await emptyTable(parts, work, to, event.version);
  const target = await tables.layOut(work.session, to, { like: from.layout }, work.signal);
  if (target.id !== from.id) await moveRows(work, { from, to: target, version: event.version });
  collections.forget(to);
  logger.info({ from: from.shown, to: target.shown }, 'rows were moved: the collection was renamed');
  return 'applied';
}

async function useStructure(
  { collections }: OtherEventsParts,
  { session, signal }: TableWork,
  { event, namespace }: Envelope,
): Promise<Outcome> {
  const description = event.field('operationDescription');
  if (description?.type !== BsonType.document) return 'ignored';
  // A view has no documents of its own.
  if (findField(description.bytes, 'viewOn') !== undefined) return 'ignored';
  const fields = validatorFields(description.bytes);
  if (fields === undefined || fields.length === 0) return 'ignored';
  await collections.useValidator(session, { namespace, source: event.namespace }, fields, signal);
  return 'applied';
}

/** What happens to one of several collections that share a table must not happen to the table. */
function isShared({ names, logger }: OtherEventsParts, namespace: Namespace): boolean {
  if (!names.isShared(namespace)) return false;
  logger.warn(
    { collection: formatNamespace(namespace) },
    'several collections share the table, so rows stay that are gone at the source',
  );
  return true;
}

function sinceOf(event: ChangeEvent): Version | undefined {
  const since = event.field('since');
  if (since?.type !== BsonType.timestamp) return undefined;
  const bytes = asBuffer(since.bytes);
  return { clusterTime: { t: bytes.readUInt32LE(4), i: bytes.readUInt32LE(0) }, ordinal: 0 };
}

function renamedTo(event: ChangeEvent): Namespace | undefined {
  const to = event.field('to');
  if (to?.type !== BsonType.document) return undefined;
  const [db, coll] = ['db', 'coll'].map((name) => {
    const value = findField(to.bytes, name);
    return value?.type === BsonType.string ? textOfValue(value) : undefined;
  });
  return db === undefined || coll === undefined ? undefined : { db, coll };
}
