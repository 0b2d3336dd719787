import { formatNamespace, type Namespace } from '../../../core/change-event.ts';
import { convertCommand } from './commands.ts';
import { type DdlOutcome, type DdlWork, type FollowDdl, leaveOut, SHARED } from './ddl-context.ts';
import { isConversion } from './ddl-event.ts';
import { unless } from './follow-structure.ts';
import { Code } from './refusal.ts';
import type { Mark } from './rename-marks.ts';

/** Drops a collection or a view. */
export const followDrop: FollowDdl = async (work) => {
  const { envelope, names, target } = work;
  if (names.isShared(envelope)) return leaveOut(work, SHARED);
  await drop(work, target);
  return 'applied';
};

/**
 * The collections of a database were dropped one by one before; the server tells nothing of views and time series, and
 * they go now. Everything else that the target has there did not come from here, or is Sluice's own.
 */
export const followDropDatabase: FollowDdl = async (work) => {
  const { commands, config, envelope, names, target, signal } = work;
  if (names.isShared(envelope)) return leaveOut(work, SHARED);
  // Views hold no documents; what does is kept where the target keeps what the source has dropped.
  const types = config.drop === 'apply' ? ['view', 'timeseries'] : ['view'];
  for (const coll of await commands.namesOf(target.db, types, signal)) await drop(work, { db: target.db, coll });
  return 'applied';
};

/**
 * Gives a collection another name. It may have been done before: then a collection of the old name can be another one,
 * and what is there under the new name must not be replaced once more.
 */
export const followRename: FollowDdl = async (work) => {
  const { change, envelope, marks, names, target, signal } = work;
  const to = change.to && names.other(envelope, change.to);
  if (to === undefined) return leaveOut(work, 'it is not known what the new name is in the target');
  if (names.isShared(envelope)) return leaveOut(work, SHARED);
  if (isConversion(change)) return convert(work, to);
  const mark = (await marks?.of(change.event, signal)) ?? 'new';
  const isFrom = await isThere(work, target);
  const isTo = await isThere(work, to);
  if (mark === 'done' && isTo) return 'applied';
  await marks?.note(change.event, false, signal);
  const outcome = await rename(work, { to, mark, isFrom, isTo });
  await marks?.note(change.event, true, signal);
  return outcome;
};

interface RenamePlan {
  readonly to: Namespace;
  readonly mark: Mark;
  /** Whether the target has something under the old and under the new name. */
  readonly isFrom: boolean;
  readonly isTo: boolean;
}

async function isThere({ commands, signal }: DdlWork, namespace: Namespace): Promise<boolean> {
  return (await commands.existing(namespace, signal)) !== undefined;
}

async function rename(work: DdlWork, { to, mark, isFrom, isTo }: RenamePlan): Promise<DdlOutcome> {
  const { change, commands, config, logger, target, name, marks, signal } = work;
  // Where the source does not tell, the collection of that name is gone there in any case.
  const replaces = change.dropTarget !== false;
  if (isTo && replaces && config.drop !== 'apply' && (isFrom || mark === 'new')) {
    const kept = formatNamespace(to);
    return leaveOut(work, `it would replace ${kept}, and ddl.drop is ${config.drop}; ${name} and ${kept} stay`);
  }
  if (isFrom) {
    const command = { renameCollection: formatNamespace(target), to: formatNamespace(to), dropTarget: replaces };
    await commands.run('admin', command, `rename ${name} to ${formatNamespace(to)}`, signal);
    return 'applied';
  }
  if (!isTo || !replaces || mark !== 'new') return 'applied';
  if (marks === undefined) {
    return leaveOut(work, `the target has no ${name}; documents of before may be left in ${formatNamespace(to)}`);
  }
  // It comes from outside of what is streamed. Its documents follow as rows, if the source copies by itself.
  logger.warn(
    { collection: formatNamespace(to) },
    'a collection that is not in the target has replaced this one: its old documents are dropped; with ' +
      '`snapshot: never` at the source the new ones only come by `sluice snapshot`',
  );
  await drop(work, to);
  return 'applied';
}

/** The copy in the target is empty: what is to become capped is the collection that has the documents. */
async function convert(work: DdlWork, to: Namespace): Promise<DdlOutcome> {
  const { commands, name, target, signal } = work;
  const empty = await commands.existing(target, signal);
  const known = await commands.existing(to, signal);
  // Done before; or what is there is nothing of the source's.
  if (empty === undefined) return 'applied';
  if (known === undefined) {
    const command = { renameCollection: name, to: formatNamespace(to) };
    await commands.run('admin', command, `rename ${name} to ${formatNamespace(to)}`, signal);
    return 'applied';
  }
  const command = convertCommand(to.coll, empty.options);
  await commands.run(to.db, command, `make ${formatNamespace(to)} capped`, signal);
  await drop(work, target);
  return 'applied';
}

async function drop({ commands, signal }: DdlWork, { db, coll }: Namespace): Promise<void> {
  const doing = `drop ${formatNamespace({ db, coll })}`;
  await commands.run(db, { drop: coll }, doing, signal).catch(unless(Code.namespaceNotFound));
}
