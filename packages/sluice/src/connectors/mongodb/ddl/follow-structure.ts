import type { Document } from 'mongodb';
import type { Namespace } from '../../../core/change-event.ts';
import {
  createCommand,
  createIndexesCommand,
  type IndexToMake,
  indexesOf,
  indexNamesOf,
  modifyCommand,
  optionsOf,
} from './commands.ts';
import { type DdlOutcome, type DdlWork, type FollowDdl, leaveOut, SHARED } from './ddl-context.ts';
import { isTimeSeries } from './ddl-event.ts';
import { differences } from './differences.ts';
import { textOf, without } from './raw-fields.ts';
import { Code, Refused } from './refusal.ts';

const MISSING: readonly number[] = [Code.namespaceNotFound, Code.indexNotFound];

/** Makes a collection or a time series. One that is there stays as it is, whatever it is like. */
export const followCreate: FollowDdl = async (work) => {
  const { change, config, logger, name } = work;
  const { description } = change;
  if (isTimeSeries(description) && !description.has('timeseries')) {
    logger.warn(
      { collection: name },
      'the source does not tell whether the documents of a new time series expire: set expireAfterSeconds with collMod',
    );
  }
  return create(work, optionsOf(description, config));
};

/** Makes or changes a view. */
export const followView: FollowDdl = async (work) => {
  const { change, config } = work;
  const viewOn = viewedIn(work);
  if (viewOn === undefined) {
    return leaveOut(work, 'the view is on a collection that has another name or database in the target');
  }
  if (change.event.op === 'create') return create(work, optionsOf(change.description, { ...config, viewOn }));
  return modify(work, { ...config, viewOn });
};

/** Changes options of a collection or of an index. */
export const followModify: FollowDdl = async (work) => {
  if (work.names.isShared(work.envelope)) return leaveOut(work, SHARED);
  return modify(work, work.config);
};

/**
 * Makes indexes, all in one go; those of them that the target accepts where it does not accept them all. What is there
 * already is nothing to do.
 */
export const followCreateIndexes: FollowDdl = async (work) => {
  const indexes = indexesOf(work.change.description, work.config);
  if (indexes.length === 0) return 'ignored';
  try {
    await makeIndexes(work, indexes);
    return 'applied';
  } catch (error) {
    if (!(error instanceof Refused) || indexes.length === 1) throw error;
  }
  const refusals: Refused[] = [];
  for (const index of indexes) {
    try {
      await makeIndexes(work, [index]);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      refusals.push(error);
    }
  }
  const [first] = refusals;
  if (first === undefined) return 'applied';
  const { code, hint, cause } = first;
  throw new Refused(refusals.map(({ message }) => message).join('; '), { code, hint, cause });
};

/** Drops indexes by their names. */
export const followDropIndexes: FollowDdl = async (work) => {
  const { change, commands, envelope, names, target, name, signal } = work;
  if (names.isShared(envelope)) return leaveOut(work, SHARED);
  const { db, coll } = target;
  for (const index of indexNamesOf(change.description)) {
    const doing = `drop the index ${index} of ${name}`;
    await commands
      .run(db, { dropIndexes: coll, index }, doing, signal)
      .catch(unless(Code.namespaceNotFound, Code.indexNotFound));
  }
  return 'applied';
};

async function create(work: DdlWork, options: ReturnType<typeof optionsOf>): Promise<DdlOutcome> {
  const { commands, target, name, signal } = work;
  const existing = await commands.existing(target, signal);
  if (existing === undefined) {
    await commands.run(target.db, createCommand(target.coll, options), `create ${name}`, signal);
    return 'applied';
  }
  const differing = differences(existing, options);
  if (differing.length === 0) return 'applied';
  return leaveOut(work, `the target has ${name} already, with another ${differing.join(', ')}; it stays as it is`);
}

async function modify(work: DdlWork, setting: Parameters<typeof modifyCommand>[2]): Promise<DdlOutcome> {
  const { change, target } = work;
  const whole = modifyCommand(target.coll, change.description, setting);
  if (whole === undefined) return 'ignored';
  const missing = await modifyWith(work, whole);
  if (missing === undefined) return 'applied';
  if (missing === Code.namespaceNotFound) return leaveOut(work, 'the target has no such collection');
  // While documents are copied the indexes are still to come, as they are by then. What else was changed counts now.
  leaveOut(work, 'the target has no such index, or not yet');
  const rest = modifyCommand(target.coll, without(change.description, ['index']), setting);
  if (rest === undefined) return 'ignored';
  return (await modifyWith(work, rest)) === undefined ? 'applied' : 'ignored';
}

/** Resolves with the code of what is missing at the target. */
async function modifyWith(work: DdlWork, command: Document): Promise<number | undefined> {
  const { commands, target, name, signal } = work;
  try {
    await commands.run(target.db, command, `change the options of ${name}`, signal);
    return undefined;
  } catch (error) {
    const isMissing = error instanceof Refused && MISSING.includes(error.code);
    if (isMissing) return error.code;
    throw error;
  }
}

async function makeIndexes(work: DdlWork, indexes: readonly IndexToMake[]): Promise<void> {
  const { commands, target, name, signal } = work;
  const names = indexes.map((index) => index.name).join(', ');
  const doing = `make the ${indexes.length === 1 ? 'index' : 'indexes'} ${names} of ${name}`;
  await commands.run(target.db, createIndexesCommand(target.coll, indexes), doing, signal);
}

/** The name in the target of what a view is on; a view sees its own database only. */
function viewedIn({ change, envelope, names, target }: DdlWork): string | undefined {
  const viewOn = textOf(change.description, 'viewOn');
  const source: Namespace | undefined =
    viewOn === undefined ? undefined : { db: change.event.namespace.db, coll: viewOn };
  const viewed = source && names.other(envelope, source);
  return viewed?.db === target.db ? viewed.coll : undefined;
}

/** Lets refusals with these codes pass: there is nothing to do then. */
export function unless(...codes: readonly number[]) {
  return (error: unknown): void => {
    if (!(error instanceof Refused) || !codes.includes(error.code)) throw error;
  };
}
