import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFile, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { type Checkpoint, encodeCheckpoint } from '../../core/checkpoint.ts';
import type { ConnectorContext } from '../../core/connector.ts';
import { SluiceError } from '../../core/failure.ts';
import { silentLogger } from '../../core/logger.ts';
import { testPosition } from '../../testing/events.ts';
import { testRandom } from '../../testing/random.ts';
import { tempDir } from '../../testing/temp-dir.ts';
import { openFileCheckpointStore } from './checkpoint-store.ts';

const signal = new AbortController().signal;
const context: ConnectorContext = { pipeline: 'orders', partition: 'orders/0', logger: silentLogger, signal };

function checkpoint(epoch: number, sequence: number): Checkpoint {
  const binding = { deployment: 'rs0', fingerprint: 'f' };
  return { partition: 'orders/0', epoch, position: testPosition(sequence), savedAtMs: sequence, ...binding };
}

/** A directory with saves 1 and 2, and the names in it. */
async function saved() {
  const directory = await tempDir();
  const store = await openFileCheckpointStore({ path: directory.path }, context);
  const { epoch } = await store.claim('orders/0', signal);
  for (const sequence of [1, 2]) await store.save(checkpoint(epoch, sequence), signal);
  const current = join(directory.path, 'orders.0.json');
  const previous = `${current}.previous`;
  return { directory, store, current, previous, [Symbol.asyncDispose]: async () => directory[Symbol.asyncDispose]() };
}

async function refusal(work: Promise<unknown>): Promise<SluiceError> {
  const error: unknown = await work.then(
    () => assert.fail('it was accepted'),
    (error: unknown) => error,
  );
  assert.ok(error instanceof SluiceError);
  return error;
}

test('there is the checkpoint, the one before, and the owner', async () => {
  await using bed = await saved();
  assert.deepEqual((await readdir(bed.directory.path)).toSorted(), [
    'orders.0.json',
    'orders.0.json.previous',
    'orders.0.owner-1',
  ]);
  assert.equal(await readFile(bed.current, 'utf8'), `${encodeCheckpoint(checkpoint(1, 2))}\n`);
  assert.equal(await readFile(bed.previous, 'utf8'), `${encodeCheckpoint(checkpoint(1, 1))}\n`);
  assert.equal((await stat(bed.current)).mode & 0o777, 0o600);
});

test('a damaged checkpoint is refused; the way back that the hint names works', async () => {
  await using bed = await saved();
  const text = await readFile(bed.current, 'utf8');
  for (const damage of ['', '{', text.replace('"t', '"T'), text.slice(0, -10), '\0'.repeat(300)]) {
    await writeFile(bed.current, damage);
    const error = await refusal(bed.store.claim('orders/0', signal));
    assert.deepEqual([error.kind, error.code], ['config', 'checkpoint.damaged']);
    assert.ok(error.message.includes(bed.current), error.message);
    assert.match(error.hint ?? '', /The one before it is whole, at 2023-11-14T22:13:20Z \(1700000000,2\)/);
    assert.ok(error.hint?.includes(`mv '${bed.previous}' '${bed.current}'`));
  }
  await rename(bed.previous, bed.current);
  const claim = await bed.store.claim('orders/0', signal);
  assert.deepEqual(claim.checkpoint?.position, testPosition(1));
});

test('when the one before is damaged too, that is said', async () => {
  await using bed = await saved();
  await writeFile(bed.current, 'x');
  await writeFile(bed.previous, 'x');
  const { hint } = await refusal(bed.store.claim('orders/0', signal));
  assert.match(hint ?? '', /is damaged too\. To begin again.*leaves a gap: rm -f/);
  await Promise.all([rm(bed.current), rm(bed.previous)]);
  assert.equal((await bed.store.claim('orders/0', signal)).checkpoint, undefined);
});

test('a checkpoint that vanished is not mistaken for a first start', async () => {
  await using bed = await saved();
  await rm(bed.current);
  const error = await refusal(bed.store.claim('orders/0', signal));
  assert.deepEqual([error.kind, error.code], ['config', 'checkpoint.gone']);
  assert.match(error.hint ?? '', /mv /);
});

test('a checkpoint of another partition is refused', async () => {
  await using bed = await saved();
  await copyFile(bed.current, join(bed.directory.path, 'users.0.json'));
  const error = await refusal(bed.store.claim('users/0', signal));
  assert.equal(error.code, 'checkpoint.other-pipeline');
});

test('an epoch is not used twice when the owner files were lost', async () => {
  await using bed = await saved();
  await rm(join(bed.directory.path, 'orders.0.owner-1'));
  await writeFile(bed.current, encodeCheckpoint(checkpoint(41, 2)));
  assert.equal((await bed.store.claim('orders/0', signal)).epoch, 42);
  await assert.rejects(bed.store.save(checkpoint(1, 3), signal), { kind: 'fenced' });
});

test('of many claims at once each has an epoch of its own, and one can save', async () => {
  await using bed = await saved();
  const stores = await Promise.all(
    Array.from({ length: 20 }, () => openFileCheckpointStore({ path: bed.directory.path }, context)),
  );
  const claims = await Promise.all(stores.map((store) => store.claim('orders/0', signal)));
  const epochs = claims.map(({ epoch }) => epoch);
  assert.equal(new Set(epochs).size, 20);
  const highest = Math.max(...epochs);
  for (const epoch of epochs) {
    const save = bed.store.save(checkpoint(epoch, 9), signal);
    await (epoch === highest ? save : assert.rejects(save, { kind: 'fenced' }));
  }
});

test('an owner that was fenced in the middle of a save is told so', async () => {
  await using bed = await saved();
  for (let round = 0; round < 30; round++) {
    const { epoch } = await bed.store.claim('orders/0', signal);
    const saves = [bed.store.save(checkpoint(epoch, round + 3), signal)];
    const claim = bed.store.claim('orders/0', signal);
    const [outcome] = await Promise.allSettled(saves);
    if (outcome?.status === 'rejected') assert.equal((outcome.reason as SluiceError).kind, 'fenced');
    assert.equal((await claim).epoch, epoch + 1);
  }
});

test('a process that is killed while it saves leaves its last save or a later one, whole', async (t) => {
  const random = testRandom(t);
  await using directory = await tempDir();
  // It goes on when the number is in the pipe: one that only waited in the process would be lost with it.
  const script = `
    const { openFileCheckpointStore } = await import(${JSON.stringify(import.meta.resolve('./checkpoint-store.ts'))});
    const store = await openFileCheckpointStore({ path: ${JSON.stringify(directory.path)} });
    const signal = new AbortController().signal;
    const { epoch, checkpoint } = await store.claim('orders/0', signal);
    for (let n = (checkpoint?.savedAtMs ?? 0) + 1; ; n++) {
      const position = { token: 'A'.repeat(n % 2 ? 20_000 : 20), clusterTime: { t: n, i: 1 } };
      await store.save({ partition: 'orders/0', epoch, position, deployment: 'd', fingerprint: 'f', savedAtMs: n }, signal);
      await new Promise((resolve) => process.stdout.write(n + '\\n', resolve));
    }
  `;
  for (let round = 0; round < 8; round++) {
    const told = await runUntilKilled(script, 3 + random.int(40));
    await using store = await openFileCheckpointStore({ path: directory.path }, context);
    const claim = await store.claim('orders/0', signal);
    const found = claim.checkpoint?.savedAtMs ?? 0;
    assert.ok(found === told || found === told + 1, `told ${told}, found ${found}`);
  }
  const left = (await readdir(directory.path)).filter((name) => name.includes('saving'));
  assert.deepEqual(left, []);
});

/** Runs the script until it printed so many lines, kills it, and returns its last one. */
async function runUntilKilled(script: string, lines: number): Promise<number> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let last = 0;
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    if (++count === lines) child.kill('SIGKILL');
  }
  return last;
}
