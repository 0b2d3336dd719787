import type { Envelope } from '../../../core/envelope.ts';
import type { Logger } from '../../../core/logger.ts';
import type { DdlConfig } from './config.ts';
import type { DdlEvent } from './ddl-event.ts';
import type { DdlNames } from './names.ts';
import type { RenameMarks } from './rename-marks.ts';
import type { TargetCommands } from './target-commands.ts';

/** What became of a change. */
export type DdlOutcome = 'applied' | 'ignored';

/** With what changes are followed. */
export interface DdlParts {
  readonly config: DdlConfig;
  readonly commands: TargetCommands;
  readonly names: DdlNames;
  readonly marks: RenameMarks | undefined;
  readonly logger: Logger;
}

/** One change and the target that it belongs to. */
export interface DdlWork extends DdlParts {
  readonly change: DdlEvent;
  readonly envelope: Envelope;
  readonly target: { readonly db: string; readonly coll: string };
  /** `db.coll` of the target. */
  readonly name: string;
  readonly signal: AbortSignal;
}

/** Follows one kind of change. Throws `Refused` when the target does not accept it. */
export type FollowDdl = (work: DdlWork) => Promise<DdlOutcome>;

/** Why what happens to one collection must not happen to a place that several have. */
export const SHARED = 'other collections of the source go to the same place in the target';

/** Says that a change is left out, and why. */
export function leaveOut({ logger, name, change }: DdlWork, why: string): 'ignored' {
  logger.warn({ collection: name, change: change.event.op }, `${change.event.op} is not followed: ${why}`);
  return 'ignored';
}
