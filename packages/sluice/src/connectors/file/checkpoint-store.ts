import { copyFile, link, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Checkpoint,
  type CheckpointStore,
  type Claim,
  decodeCheckpoint,
  encodeCheckpoint,
} from '../../core/checkpoint.ts';
import { formatClusterTime } from '../../core/cluster-time.ts';
import type { ConnectorContext } from '../../core/connector.ts';
import { SluiceError } from '../../core/failure.ts';
import { classified, errnoOf, ifExists } from './classify.ts';
import type { FileCheckpointConfig } from './config.ts';
import { makeDirectory, PRIVATE_FILE, replaceFile, syncDirectory } from './durable.ts';
import { safeName } from './path-template.ts';

/**
 * Opens the checkpoints in a directory. For the partition `orders/0` there are in it
 * - `orders.0.json`, the checkpoint, replaced as a whole by every save;
 * - `orders.0.json.previous`, the one before;
 * - `orders.0.owner-3`, an empty file whose number is the epoch of the owner.
 */
export async function openFileCheckpointStore(
  config: FileCheckpointConfig,
  _context: ConnectorContext,
): Promise<CheckpointStore> {
  await classified(`make the directory ${config.path}`, () => makeDirectory(config.path));
  return {
    async claim(partition, signal) {
      signal.throwIfAborted();
      const place = placeOf(config.path, partition);
      return classified(`claim the checkpoint in ${config.path}`, () => claim(place));
    },
    async save(checkpoint, signal) {
      signal.throwIfAborted();
      const place = placeOf(config.path, checkpoint.partition);
      return classified(`save the checkpoint in ${config.path}`, () => save(place, checkpoint));
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** The names of one partition in the directory. */
interface Place {
  readonly partition: string;
  readonly directory: string;
  /** Name of the checkpoint without its ending. */
  readonly stem: string;
  readonly current: string;
  readonly previous: string;
}

function placeOf(directory: string, partition: string): Place {
  // A dot separates the parts, because the names of pipelines have none.
  const stem = partition.split('/').map(safeName).join('.');
  const current = join(directory, `${stem}.json`);
  return { partition, directory, stem, current, previous: `${current}.previous` };
}

function ownerFile({ directory, stem }: Place, epoch: number): string {
  return join(directory, `${stem}.owner-${epoch}`);
}

/**
 * Making a file that must not exist yet is the one step that only one process can win; so an epoch has one owner. The
 * checkpoint is read after the older owners' files are gone: what they saved before is seen, later saves are refused.
 */
async function claim(place: Place): Promise<Claim> {
  for (let atLeast = 1; ; ) {
    const owners = await ownersOf(place);
    const epoch = Math.max(atLeast, ...owners.map((owner) => owner + 1));
    if (!(await makeOwner(place, epoch))) continue;
    await Promise.all(owners.map((owner) => rm(ownerFile(place, owner), { force: true })));
    await removeTemporary(place, epoch);
    await syncDirectory(place.directory);
    const checkpoint = await readCheckpoint(place);
    if (checkpoint === undefined || checkpoint.epoch < epoch) return { epoch, checkpoint };
    // The files of the owners were lost, or the checkpoint comes from elsewhere: an epoch is never used twice.
    atLeast = checkpoint.epoch + 1;
  }
}

async function ownersOf({ directory, stem }: Place): Promise<readonly number[]> {
  const start = `${stem}.owner-`;
  const names = await readdir(directory);
  return names
    .filter((name) => name.startsWith(start) && /^\d+$/.test(name.slice(start.length)))
    .map((name) => Number(name.slice(start.length)));
}

/** False when another process was faster. */
async function makeOwner(place: Place, epoch: number): Promise<boolean> {
  try {
    await using _handle = await open(ownerFile(place, epoch), 'wx', PRIVATE_FILE);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** What saves of older owners left behind when they were killed. */
async function removeTemporary({ directory, stem }: Place, epoch: number): Promise<void> {
  const names = await readdir(directory);
  const left = names.filter((name) => {
    const [, number] = name.startsWith(`${stem}.`) ? (/\.saving-(\d+)$/.exec(name) ?? []) : [];
    return number !== undefined && Number(number) < epoch;
  });
  await Promise.all(left.map((name) => rm(join(directory, name), { force: true })));
}

async function save(place: Place, checkpoint: Checkpoint): Promise<void> {
  await assertOwner(place, checkpoint.epoch);
  try {
    await replaceCurrent(place, checkpoint);
  } catch (error) {
    // A new owner removes the temporary files of older ones: that is no fault of the disk.
    await assertOwner(place, checkpoint.epoch);
    throw error;
  }
}

async function replaceCurrent({ current, previous, directory, stem }: Place, checkpoint: Checkpoint): Promise<void> {
  const temporary = join(directory, `${stem}.previous.saving-${checkpoint.epoch}`);
  if (await keep(current, temporary)) await rename(temporary, previous);
  const text = Buffer.from(`${encodeCheckpoint(checkpoint)}\n`);
  await replaceFile(current, join(directory, `${stem}.json.saving-${checkpoint.epoch}`), text);
}

/** A second name (or a copy) for the file, so that there is a current one at any time; false when there is none yet. */
async function keep(current: string, temporary: string): Promise<boolean> {
  await rm(temporary, { force: true });
  try {
    await link(current, temporary);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
  }
  // Some file systems have no hard links.
  await copyFile(current, temporary);
  return true;
}

async function assertOwner(place: Place, epoch: number): Promise<void> {
  if ((await ifExists(stat(ownerFile(place, epoch)))) !== undefined) return;
  throw new SluiceError(`another process has taken over the checkpoint of "${place.partition}" in ${place.directory}`, {
    kind: 'fenced',
    code: 'checkpoint.fenced',
    hint: 'Run each pipeline in one process only, or give them checkpoint directories of their own.',
  });
}

/** The checkpoint; damaged or lost with its predecessor still there, it is refused and the predecessor named. */
async function readCheckpoint(place: Place): Promise<Checkpoint | undefined> {
  const text = await ifExists(readFile(place.current, 'utf8'));
  if (text === undefined) return refuseLost(place);
  try {
    return decodeCheckpoint(text, place.partition, place.current);
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'checkpoint.damaged') throw error;
    const { kind, code, message } = error;
    throw new SluiceError(message, { kind, code, hint: await wayOut(place), cause: error });
  }
}

async function refuseLost(place: Place): Promise<undefined> {
  if ((await ifExists(readFile(place.previous, 'utf8'))) === undefined) return undefined;
  throw new SluiceError(`the checkpoint ${place.current} is gone, the one before it is still there`, {
    kind: 'config',
    code: 'checkpoint.gone',
    hint: await wayOut(place),
  });
}

async function wayOut({ partition, current, previous }: Place): Promise<string> {
  const anew = `To begin again at the configured start position, which leaves a gap: rm -f '${current}' '${previous}'`;
  const text = await ifExists(readFile(previous, 'utf8'));
  if (text === undefined) return anew;
  try {
    const { position } = decodeCheckpoint(text, partition, previous);
    const time = formatClusterTime(position.clusterTime);
    return `The one before it is whole, at ${time}. To go on from there, which repeats some changes: mv '${previous}' '${current}' . ${anew}`;
  } catch {
    return `The one before it (${previous}) is damaged too. ${anew}`;
  }
}
