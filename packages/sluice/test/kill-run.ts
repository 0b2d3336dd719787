import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { type Oracle, type OracleEvent, startOracle } from '../src/testing/oracle.ts';
import type { Random } from '../src/testing/random.ts';
import { fetchStatus } from '../src/testing/sluice-process.ts';
import { waitFor } from '../src/testing/wait-for.ts';
import { runWorkload } from '../src/testing/workload.ts';
import { isReady, type PipelineBed } from './pipeline-bed.ts';

/** What is killed, how often, and what else happens in front of a kill. */
export interface KillRun {
  readonly mongo: string;
  readonly bed: Omit<PipelineBed, 'topic'>;
  readonly random: Random;
  readonly kills: number;
  readonly before?: () => Promise<void>;
}

/**
 * Kills a pipeline at random points while ten writers change 200 documents, then lets it deliver the rest and ends it.
 * Resolves with everything that happened at the source.
 */
export async function killAtRandom(run: KillRun): Promise<readonly OracleEvent[]> {
  const { mongo, bed, random } = run;
  await using oracle = await startOracle({ uri: mongo, db: bed.db });
  {
    await using first = bed.start();
    await bed.waitFor(first, isReady);
  }
  const stop = new AbortController();
  const load = { uri: mongo, db: bed.db, writers: 10, keys: 200, seed: random.seed, pauseMs: 15 };
  const workload = runWorkload(load, stop.signal);
  try {
    for (let kill = 0; kill < run.kills; kill++) await killOnce(run, kill % 2 === 0);
  } finally {
    stop.abort();
    await workload;
  }
  return await deliverRest(run, oracle);
}

/** Half of the kills come while it starts or recovers, half (`working`) at any time of its work. */
async function killOnce({ bed, random, before }: KillRun, working: boolean): Promise<void> {
  await using victim = bed.start();
  if (working) await bed.waitFor(victim, (status) => status.counts.delivered > 0);
  await delay(random.next() * 1_000);
  await before?.();
  const exit = await victim.end('SIGKILL');
  assert.equal(exit.signal, 'SIGKILL', `it ended by itself: ${victim.stderr.slice(-2_000)}`);
}

async function deliverRest({ bed }: KillRun, oracle: Oracle): Promise<readonly OracleEvent[]> {
  const expected = await oracle.settle();
  await using last = bed.start();
  const lastId = expected.at(-1)?.id;
  const arrived = async () => (await bed.delivered()).some(({ id }) => id === lastId);
  const limits = { timeoutMs: 180_000, intervalMs: 500, message: 'the last event arrives', retryErrors: true };
  await waitFor(arrived, limits).catch(async (cause: unknown) => {
    const status = JSON.stringify(await fetchStatus(bed.url, bed.name));
    throw new Error(`the last event does not arrive; ${status}\n${last.stderr.slice(-3_000)}`, { cause });
  });
  const exit = await last.end('SIGTERM');
  assert.equal(exit.code, 0, last.stderr.slice(-2_000));
  assert.ok(expected.length > 1_000, `only ${expected.length} events were written`);
  return expected;
}
