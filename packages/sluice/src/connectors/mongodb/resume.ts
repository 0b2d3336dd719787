import { clusterTimeOfToken } from '../../bson/resume-token.ts';
import type { PositionBinding } from '../../core/checkpoint.ts';
import { SluiceError } from '../../core/failure.ts';
import { comparePositions, type Position } from '../../core/position.ts';
import type { ReadFrom } from '../../core/source.ts';
import type { MongodbSourceConfig } from './config.ts';
import { sameDeployment } from './deployment.ts';
import { looksLikeToken, parseClusterTime } from './start-at.ts';
import type { StartPoint } from './stream-pipeline.ts';

/** How the next cursor of a read is opened. */
export interface StreamStart {
  readonly point: StartPoint;
  /** Events up to here were delivered before and are dropped; needed where the server can only begin at a time. */
  readonly skipThrough: Position | undefined;
  /** Events that are too large come without their images; only until the one that was in the way has passed. */
  readonly dropImages: boolean;
  /** Whether a refused token may be replaced by its time. Not for a token that a person wrote down. */
  readonly mayUseTime: boolean;
}

/** Where the configuration says to begin. */
export function configuredStart(startAt: MongodbSourceConfig['startAt']): StreamStart {
  const rest = { skipThrough: undefined, dropImages: false, mayUseTime: false };
  if (startAt === 'now') return { point: { kind: 'now' }, ...rest };
  if ('token' in startAt) return { point: { kind: 'after', token: startAt.token.toUpperCase() }, ...rest };
  const clusterTime = parseClusterTime(startAt.clusterTime);
  if (clusterTime === undefined) throw new TypeError('startAt.clusterTime was not validated');
  return { point: { kind: 'time', clusterTime }, ...rest };
}

/**
 * Where to continue behind a checkpointed position. Throws `config` when it is of another deployment or no position of
 * a change stream. When the selection of events has changed, the token is not even tried: the server may accept it and
 * fail only with the next event, since the event it names may not be part of the stream any more.
 */
export function resumedStart(from: ReadFrom, own: PositionBinding): StreamStart {
  if (!sameDeployment(from.binding.deployment, own.deployment)) throw otherDeployment(from.binding, own);
  if (from.binding.fingerprint !== own.fingerprint || from.position.token === '') return startAtTime(from.position);
  return startBehind(from.position);
}

/** Exactly behind a position. */
export function startBehind(position: Position): StreamStart {
  if (!looksLikeToken(position.token)) throw notAToken();
  return {
    point: { kind: 'after', token: position.token },
    skipThrough: undefined,
    dropImages: false,
    mayUseTime: true,
  };
}

/** At the time of a position; what was delivered up to the position is dropped, so nothing is repeated. */
export function startAtTime(position: Position): StreamStart {
  return {
    point: { kind: 'time', clusterTime: position.clusterTime },
    skipThrough: position.token === '' ? undefined : position,
    dropImages: false,
    mayUseTime: false,
  };
}

/** What a cursor did before it failed. */
export interface Progress {
  /** The last position that was handed out; undefined when there was none. */
  readonly position: Position | undefined;
  /** Whether an event came: then the server has found the start point. */
  readonly sawEvent: boolean;
}

const REFUSED = ['mongodb.token-refused', 'mongodb.bad-token'];

/**
 * How to go on after a failure that this source can deal with itself; undefined for every other one. Each way is taken
 * once: what it leads to does not lead back to it.
 */
export function startAfterFailure(start: StreamStart, error: SluiceError, progress: Progress): StreamStart | undefined {
  const moved = progress.position !== undefined && progress.position !== start.skipThrough;
  const here = moved && progress.position !== undefined ? startBehind(progress.position) : start;
  if (error.code === 'mongodb.event-too-large' && !start.dropImages) return { ...here, dropImages: true };
  if (REFUSED.includes(error.code) && start.mayUseTime && start.point.kind === 'after' && !progress.sawEvent) {
    const { token } = start.point;
    const position = progress.position ?? { token, clusterTime: clusterTimeOfToken(token) };
    return { ...startAtTime(position), dropImages: start.dropImages };
  }
  return undefined;
}

/** The later of two positions, where one may be missing. */
export function laterPosition(a: Position | undefined, b: Position | undefined): Position | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return comparePositions(a, b) >= 0 ? a : b;
}

function otherDeployment(stored: PositionBinding, own: PositionBinding): SluiceError {
  return new SluiceError(
    `the checkpoint is of the MongoDB deployment ${stored.deployment}, and the URI leads to ${own.deployment}`,
    {
      kind: 'config',
      code: 'checkpoint.other-deployment',
      hint:
        'Positions of one deployment mean nothing in another. Correct source.mongodb.uri; or remove the checkpoint to ' +
        'begin at startAt; or give the pipeline another name.',
    },
  );
}

function notAToken(): SluiceError {
  return new SluiceError('the checkpoint holds no resume token of a MongoDB change stream', {
    kind: 'config',
    code: 'mongodb.bad-token',
    hint: 'Restore the checkpoint from a backup, or remove it to begin at startAt.',
  });
}
