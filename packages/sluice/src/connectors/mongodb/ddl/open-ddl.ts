import type { MongoClient } from 'mongodb';
import { formatNamespace } from '../../../core/change-event.ts';
import type { Envelope } from '../../../core/envelope.ts';
import { SluiceError } from '../../../core/failure.ts';
import type { Logger } from '../../../core/logger.ts';
import type { DdlConfig, DdlKind, DdlPolicy } from './config.ts';
import type { DdlOutcome, DdlParts, DdlWork, FollowDdl } from './ddl-context.ts';
import { type DdlEvent, isConversion, readDdl } from './ddl-event.ts';
import { followDrop, followDropDatabase, followRename } from './follow-names.ts';
import { followCreate, followCreateIndexes, followDropIndexes, followModify, followView } from './follow-structure.ts';
import { DdlNames, type MapNamespace } from './names.ts';
import { Refused } from './refusal.ts';
import { type MarksPlace, RenameMarks } from './rename-marks.ts';
import { TargetCommands } from './target-commands.ts';

/** What changes of collections are followed with. */
export interface DdlOptions {
  /** A client of the target; its owner closes it. */
  readonly client: MongoClient;
  readonly logger: Logger;
  /** Where documents of a namespace (that of the envelope) go; where they came from when left out. */
  readonly mapNamespace?: MapNamespace | undefined;
  /** Where it is kept which renames were followed; without it one that is repeated late can replace a newer collection. */
  readonly marks?: MarksPlace | undefined;
}

/** Follows changes of the collections themselves. */
export interface DdlApplier {
  /**
   * To be called with one change at a time, in their order, when everything before it is durable. Resolves when a
   * majority of the target has it; repeating it is harmless. Throws classified errors: `config` where the policy says stop.
   */
  apply(envelope: Envelope, signal: AbortSignal): Promise<DdlOutcome>;
}

const FOLLOW: Readonly<Record<Exclude<DdlKind, 'sharding'>, FollowDdl>> = {
  create: followCreate,
  views: followView,
  createIndexes: followCreateIndexes,
  dropIndexes: followDropIndexes,
  collMod: followModify,
  rename: followRename,
  drop: followDrop,
  dropDatabase: followDropDatabase,
};

/** Follows changes by a policy. Nothing is connected or changed before the first of them. */
export function openDdl(config: DdlConfig, options: DdlOptions): DdlApplier {
  const { client, logger, mapNamespace, marks } = options;
  return new PolicedDdl({
    config,
    logger,
    commands: new TargetCommands(client),
    names: new DdlNames(mapNamespace),
    marks: marks && new RenameMarks(client, marks),
  });
}

class PolicedDdl implements DdlApplier {
  readonly #parts: DdlParts;

  constructor(parts: DdlParts) {
    this.#parts = parts;
  }

  async apply(envelope: Envelope, signal: AbortSignal): Promise<DdlOutcome> {
    const { event } = envelope;
    // The end of a stream is no change, and collections of the server itself are not copied.
    if (event.op === 'invalidate' || event.namespace.coll.startsWith('system.')) return 'ignored';
    const change = readDdl(event);
    const policy = this.#policyOf(change);
    if (policy === 'stop') throw stopped(change, envelope);
    const { kind } = change;
    if (policy === 'apply' && kind !== undefined && kind !== 'sharding') {
      return this.#follow(FOLLOW[kind], change, { envelope, signal });
    }
    if (policy === 'warn') this.#warn(change);
    return 'ignored';
  }

  #policyOf(change: DdlEvent): DdlPolicy {
    const { config } = this.#parts;
    if (change.kind === undefined) return 'warn';
    const policy = config[change.kind];
    const isDrop = change.kind === 'rename' && change.dropTarget === true && !isConversion(change);
    return isDrop && policy === 'apply' && config.drop === 'stop' ? 'stop' : policy;
  }

  async #follow(
    follow: FollowDdl,
    change: DdlEvent,
    { envelope, signal }: Pick<DdlWork, 'envelope' | 'signal'>,
  ): Promise<DdlOutcome> {
    const { config, logger, names } = this.#parts;
    const target = names.of(envelope);
    const name = formatNamespace(target);
    try {
      const outcome = await follow({ ...this.#parts, change, envelope, target, name, signal });
      if (outcome === 'applied') logger.info({ collection: name, change: change.event.op }, 'followed a change');
      return outcome;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (config.refused === 'stop') throw refusedError(error);
      logger.error({ collection: name, hint: error.hint }, error.message);
      return 'ignored';
    }
  }

  #warn({ event, kind }: DdlEvent): void {
    const what = { collection: formatNamespace(event.namespace), change: event.op };
    const why = kind === undefined ? 'it is not known here' : `ddl.${kind} is warn`;
    this.#parts.logger.warn(what, `${event.op} is not followed: ${why}`);
  }
}

function stopped({ event, kind, dropTarget }: DdlEvent, { namespace }: Envelope): SluiceError {
  return new SluiceError(`${event.op} of ${formatNamespace(namespace)} came, at which the configuration says stop`, {
    kind: 'config',
    code: 'mongodb.ddl-stop',
    hint: `Set ddl.${dropTarget === true ? 'drop and ddl.rename' : kind} to apply, or do it by hand and set it to ignore; then start again.`,
  });
}

function refusedError({ message, hint }: Refused): SluiceError {
  return new SluiceError(message, {
    kind: 'config',
    code: 'mongodb.ddl-refused',
    hint: hint ?? 'Do it by hand and set its kind in ddl to ignore, or set ddl.refused to warn; then start again.',
  });
}
