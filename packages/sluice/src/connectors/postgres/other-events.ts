import { renamedTo, sinceOf } from '../../bson/collection-event.ts';
import { BsonType, findField } from '../../bson/elements.ts';
import { formatNamespace, type Namespace, type Version } from '../../core/change-event.ts';
import type { Envelope } from '../../core/envelope.ts';
import type { Logger } from '../../core/logger.ts';
import { rowRefused } from './classify.ts';
import type { Collections } from './collections.ts';
import { validatorFields } from './columns/validator-fields.ts';
import type { PostgresSinkConfig } from './config.ts';
import type { TargetNames } from './names.ts';
import { moveRows } from './rename.ts';
import type { HeldRows } from './row-by-row.ts';
import type { Sessions } from './sessions.ts';
import { sweep } from './sweep.ts';
import { TableOwners } from './table-owners.ts';
import { TableWork, type TableWorkParts } from './table-work.ts';
import type { TargetTable } from './tables.ts';
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

/** The same, and whose tables are whose. */
interface Parts extends OtherEventsParts {
  readonly owners: TableOwners;
}

/** A collection with its names in the target and at the source. */
interface Collection {
  readonly namespace: Namespace;
  readonly source: Namespace;
}

/** Deletes what is gone, moves what has another name, and hands on what the source says of its collections. */
export function otherEvents(given: OtherEventsParts): ApplyOther {
  const parts: Parts = { ...given, owners: new TableOwners(given.state) };
  return async (envelope, context) => {
    const { event } = envelope;
    switch (event.op) {
      case 'snapshotEnd':
        return await inTable(parts, context, (work) => endSnapshot(parts, work, envelope));
      case 'gap':
        parts.logger.warn({ event: event.id }, 'changes are missing in the target: the source had lost them');
        return 'ignored';
      case 'drop':
        if (parts.config.onDrop === 'keep') return 'ignored';
        return await inTable(parts, context, (work) => emptyTable(parts, work, collectionOf(envelope), event.version));
      case 'rename':
        if (parts.config.onRename === 'ignore') return ignoreRename(parts, envelope);
        return await inTable(parts, context, (work) => rename(parts, work, envelope));
      case 'create':
      case 'modify':
        return await inTable(parts, context, (work) => useStructure(parts, work, envelope));
      default:
        return 'ignored';
    }
  };
}

function collectionOf({ namespace, event }: Envelope): Collection {
  return { namespace, source: event.namespace };
}

function inTable(parts: Parts, context: PartContext, work: (work: TableWork) => Promise<Outcome>): Promise<Outcome> {
  return parts.sessions.use(context.signal, (session) => work(new TableWork(session, parts, context)));
}

async function endSnapshot(parts: Parts, work: TableWork, envelope: Envelope): Promise<Outcome> {
  const since = sinceOf(envelope.event);
  if (since === undefined) return 'ignored';
  return await emptyTable(parts, work, collectionOf(envelope), { clusterTime: since, ordinal: 0 });
}

/** Deletes what is older than the version. */
async function emptyTable(parts: Parts, work: TableWork, collection: Collection, version: Version): Promise<Outcome> {
  const table = await parts.tables.find(work.session, collection.namespace, work.signal);
  if (table === undefined || !(await isOwn(parts, work, table, collection.source))) return 'ignored';
  const { rows, held } = await sweep(work, table, version);
  parts.logger.info({ table: table.shown, rows }, 'rows of documents that are gone at the source were deleted');
  warnOfHeld(
    parts,
    table,
    held,
    'rows of documents that are gone at the source stay: the database does not let them go',
  );
  return 'applied';
}

function ignoreRename({ logger }: Parts, { event }: Envelope): Outcome {
  logger.warn(
    { collection: formatNamespace(event.namespace) },
    'a collection was renamed, and its rows stay where they are: copy it under its new name with a snapshot',
  );
  return 'ignored';
}

async function rename(parts: Parts, work: TableWork, envelope: Envelope): Promise<Outcome> {
  const { event, namespace } = envelope;
  const { names, tables, collections, logger } = parts;
  const newName = renamedTo(event);
  const target = newName && names.other(envelope, newName);
  if (newName === undefined || target === undefined) {
    logger.warn(
      { collection: formatNamespace(namespace) },
      'it is not known which table the new name of a collection has',
    );
    return 'ignored';
  }
  // The documents have come under the other name before; nothing of what is there goes.
  if (CONVERSION.test(event.namespace.coll)) return 'ignored';
  const renamed = { namespace: target, source: newName };
  const from = await tables.find(work.session, namespace, work.signal);
  const there = await tables.find(work.session, target, work.signal);
  // What comes from outside, as `$out` makes it, takes the place of all that there was.
  if (from === undefined || from.id === there?.id) return await emptyTable(parts, work, renamed, event.version);
  if (!(await isOwn(parts, work, from, event.namespace))) return 'ignored';
  if (there !== undefined && !(await isOwn(parts, work, there, newName))) return 'ignored';
  const to = await tables.layOut(work.session, target, { like: from.layout }, work.signal);
  await parts.owners.claim(work.session, to, newName, work.signal);
  const { kept, stale } = await moveRows(work, { from, to, version: event.version });
  collections.forget(target);
  logger.info({ from: from.shown, to: to.shown }, 'rows were moved: the collection was renamed');
  warnOfHeld(parts, from, kept, 'rows of a renamed collection stay: the database does not let them go');
  warnOfHeld(parts, to, stale, 'rows that a renamed collection replaces stay: the database does not let them go');
  return 'applied';
}

async function useStructure(
  { collections }: Parts,
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

/** What happens to one collection must not happen to the table of another. */
async function isOwn(
  { owners, logger }: Parts,
  work: TableWork,
  table: TargetTable,
  source: Namespace,
): Promise<boolean> {
  const owner = await owners.take(work.session, table, source, work.signal);
  if (owner === formatNamespace(source)) return true;
  logger.warn(
    { collection: formatNamespace(source), table: table.shown, owner },
    'the table has the documents of another collection, so what happens to this one is not followed there',
  );
  return false;
}

function warnOfHeld({ logger }: Parts, { shown }: TargetTable, { count, error }: HeldRows, message: string): void {
  if (count > 0) logger.warn({ table: shown, rows: count, reason: rowRefused(error, shown).message }, message);
}
