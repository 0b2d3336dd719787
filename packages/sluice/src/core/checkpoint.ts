import { createHash } from 'node:crypto';
import { SluiceError } from './failure.ts';
import type { Position } from './position.ts';

/** Names one ordered sub-stream of a pipeline, and with it its checkpoint and owner: `pipeline/index`. */
export type PartitionId = string;

/** Number of the ownership of a partition; it only grows. Writes with an older one are refused. */
export type Epoch = number;

/** What a position belongs to. A position is only used again where this still holds. */
export interface PositionBinding {
  /** Identity of the source deployment, e.g. `rs0/6571f0…`. Parts that one side does not know are left out. */
  readonly deployment: string;
  /** Hash of everything that selects events (namespaces, pipeline, images); a change means continue by cluster time. */
  readonly fingerprint: string;
}

/** Everything before `position` has been delivered, filtered or dead-lettered. */
export interface Checkpoint extends PositionBinding {
  readonly partition: PartitionId;
  readonly epoch: Epoch;
  readonly position: Position;
  readonly savedAtMs: number;
}

/** The outcome of taking a partition over. */
export interface Claim {
  readonly epoch: Epoch;
  readonly checkpoint: Checkpoint | undefined;
}

/** Where checkpoints live. Both methods refuse an older epoch with a `fenced` error. */
export interface CheckpointStore extends AsyncDisposable {
  /** Takes the partition over: from now on saves with an older epoch are refused. Then reads its last checkpoint. */
  claim(partition: PartitionId, signal: AbortSignal): Promise<Claim>;
  /** Durable when it resolves. */
  save(checkpoint: Checkpoint, signal: AbortSignal): Promise<void>;
}

/** A checkpoint without a state is written in the first format, which every version can read. */
const FORMAT_WITHOUT_STATE = 1;
const FORMAT_VERSION = 2;

/** The checkpoint as JSON text with a checksum; the same text in every store. */
export function encodeCheckpoint(checkpoint: Checkpoint): string {
  const { partition, epoch, position, deployment, fingerprint, savedAtMs } = checkpoint;
  const { token, clusterTime, state } = position;
  const body = {
    v: state === undefined ? FORMAT_WITHOUT_STATE : FORMAT_VERSION,
    partition,
    epoch,
    token,
    clusterTime: [clusterTime.t, clusterTime.i],
    deployment,
    fingerprint,
    savedAtMs,
    ...(state === undefined ? {} : { state: [state.revision, state.text] }),
  };
  return JSON.stringify({ ...body, sum: checksum(body) });
}

/**
 * The checkpoint in `text`. Throws `config` errors that say what is wrong: damaged, written by a newer version,
 * or of another partition. `where` names the store in those messages.
 */
export function decodeCheckpoint(text: string, expected: PartitionId, where: string): Checkpoint {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw damaged(where, 'it is not JSON', cause);
  }
  if (typeof parsed !== 'object' || parsed === null) throw damaged(where, 'it is not an object');
  const { sum, ...body } = parsed;
  if (typeof body['v'] === 'number' && body['v'] > FORMAT_VERSION) {
    throw new SluiceError(`the checkpoint in ${where} was written by a newer version (format ${body['v']})`, {
      kind: 'config',
      code: 'checkpoint.newer-format',
      hint: 'Run the version that wrote it, or a later one.',
    });
  }
  if (sum !== checksum(body)) throw damaged(where, 'its checksum does not match');
  const [t, i] = body['clusterTime'] as [number, number];
  const state = body['state'] as [revision: number, text: string] | undefined;
  const checkpoint: Checkpoint = {
    partition: body['partition'] as string,
    epoch: body['epoch'] as number,
    position: {
      token: body['token'] as string,
      clusterTime: { t, i },
      ...(state === undefined ? {} : { state: { revision: state[0], text: state[1] } }),
    },
    deployment: body['deployment'] as string,
    fingerprint: body['fingerprint'] as string,
    savedAtMs: body['savedAtMs'] as number,
  };
  if (checkpoint.partition !== expected) {
    throw new SluiceError(`the checkpoint in ${where} belongs to "${checkpoint.partition}", not to "${expected}"`, {
      kind: 'config',
      code: 'checkpoint.other-pipeline',
      hint: 'Give each pipeline a checkpoint store or a name of its own.',
    });
  }
  return checkpoint;
}

function checksum(body: object): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex').slice(0, 16);
}

function damaged(where: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError(`the checkpoint in ${where} is damaged: ${why}`, {
    kind: 'config',
    code: 'checkpoint.damaged',
    hint: 'Restore it from a backup, or remove it to start again at the configured start position.',
    cause,
  });
}
