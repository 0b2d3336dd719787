import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { PipelineStatus } from '../src/core/status.ts';
import { assertDelivered } from '../src/testing/delivery-checks.ts';
import { startOracle } from '../src/testing/oracle.ts';
import { freePorts } from '../src/testing/servers/free-port.ts';
import { fetchStatus, type SluiceProcess } from '../src/testing/sluice-process.ts';
import { waitFor } from '../src/testing/wait-for.ts';
import { runWorkload } from '../src/testing/workload.ts';
import type { PipelineBed } from './pipeline-bed.ts';

/** The parts of a bed that all sinks have. */
type Bed = Omit<PipelineBed, 'topic'>;

/** Long enough that an owner on a busy machine does not lose its lease for being late. */
const TTL_MS = 12_000;
/** The lease of the pipelines that `runInstances` can be given. */
export const INSTANCES_LEASE = { mongodb: {}, ttl: `${TTL_MS}ms` };
/** What it may take beyond the lease until the next one owns the pipeline, and until it delivers (on a busy machine). */
const BEYOND_MS = 8_000;
const START_MS = 30_000;
const LIMIT_MS = 120_000;
/** The clocks of the three processes are wrong by so much; Kafka takes times that are up to an hour ahead. */
const SKEWS_MS = [0, 1_800_000, -1_800_000];

/** One of several processes with the same settings and an HTTP port of its own. */
interface Member {
  readonly url: string;
  process: SluiceProcess;
  start(): void;
}

function members(bed: Bed, ports: readonly number[]): readonly Member[] {
  return ports.map((port, index) => {
    const skew = `const now = Date.now; Date.now = () => now() + ${SKEWS_MS[index]};`;
    const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(skew)}`];
    const start = () => bed.start({ env: { BED_LISTEN: `127.0.0.1:${port}` }, nodeArgs });
    const member = {
      url: `http://127.0.0.1:${port}`,
      process: start(),
      start: () => void (member.process = start()),
    };
    return member;
  });
}

const isOwner = ({ lease, state }: PipelineStatus) =>
  lease?.owned === true && (state === 'running' || state === 'catching-up');

/** Everybody's status, and that at most one of them owns the pipeline. */
async function look(bed: Bed, all: readonly Member[]): Promise<readonly (PipelineStatus | undefined)[]> {
  const statuses = await Promise.all(all.map(({ url }) => fetchStatus(url, bed.name)));
  const owners = statuses.filter((status) => status?.lease?.owned === true);
  assert.ok(owners.length <= 1, `${owners.length} owners at once`);
  return statuses;
}

/** Waits for an owner among these that delivers, and tells which one it is. */
const ownerOf = (bed: Bed, all: readonly Member[]) => firstThat(bed, all, isOwner);

async function firstThat(bed: Bed, all: readonly Member[], isIt: (status: PipelineStatus) => boolean): Promise<Member> {
  for (const deadline = Date.now() + LIMIT_MS; ; ) {
    const statuses = await look(bed, all);
    const owner = all[statuses.findIndex((status) => status !== undefined && isIt(status))];
    if (owner !== undefined) return owner;
    assert.ok(Date.now() < deadline, `nobody owns it\n${membersText(all, statuses)}`);
    await delay(20);
  }
}

/** The last status and the end of the log of each. */
function membersText(all: readonly Member[], statuses: readonly (PipelineStatus | undefined)[]): string {
  const texts = all.map(({ url, process }, index) => {
    return `${url}: ${JSON.stringify(statuses[index])}\n${process.stderr.slice(-2_000)}`;
  });
  return texts.join('\n');
}

async function untilStandby(bed: Bed, { url, process }: Member): Promise<PipelineStatus> {
  return waitFor(
    async () => {
      const status = await fetchStatus(url, bed.name);
      return status?.state === 'standby' ? status : undefined;
    },
    { timeoutMs: LIMIT_MS, intervalMs: 20, message: `${url} is standby` },
  ).catch((cause: unknown) => {
    throw new Error(`${url} is not standby\n${process.stderr.slice(-2_000)}`, { cause });
  });
}

const without = (all: readonly Member[], one: Member) => all.filter((member) => member !== one);

/** Makes the owner go, and says how long it takes until another one owns the pipeline, and until that one delivers. */
async function takeOver(bed: Bed, all: readonly Member[], go: (owner: Member) => Promise<unknown>) {
  const old = await ownerOf(bed, all);
  const startedMs = performance.now();
  await go(old);
  const since = () => Math.round(performance.now() - startedMs);
  const next = await firstThat(bed, without(all, old), ({ lease }) => lease?.owned === true);
  const ownedMs = since();
  await ownerOf(bed, [next]);
  return { old, next, ownedMs, deliversMs: since() };
}

type TakeOver = Awaited<ReturnType<typeof takeOver>>;

function tookText(what: string, { ownedMs, deliversMs }: TakeOver): string {
  return `${what}: the next one owned it after ${ownedMs} ms and delivered after ${deliversMs} ms`;
}

function assertInTime({ ownedMs, deliversMs }: TakeOver): void {
  assert.ok(ownedMs < TTL_MS + BEYOND_MS, `it took ${ownedMs} ms to own it`);
  assert.ok(deliversMs < TTL_MS + START_MS, `it took ${deliversMs} ms to deliver`);
}

async function scenario(t: TestContext, bed: Bed, all: readonly Member[]): Promise<void> {
  const owner = await ownerOf(bed, all);
  const name = (await fetchStatus(owner.url, bed.name))?.lease?.owner;
  for (const waiting of without(all, owner)) {
    const status = await untilStandby(bed, waiting);
    assert.equal(status.lease?.owner, name, 'those who wait know the owner');
    const ready = await fetch(`${waiting.url}/readyz`);
    assert.equal(ready.status, 200, 'who waits is ready');
    assert.deepEqual(((await ready.json()) as { pipelines: object[] }).pipelines, [
      { pipeline: bed.name, ready: true, reason: '', standby: true, owner: name },
    ]);
  }

  await delay(1_000);
  const stopped = await takeOver(bed, all, async ({ process }) => {
    const { code } = await process.end('SIGTERM');
    assert.equal(code, 0, process.stderr.slice(-2_000));
  });
  t.diagnostic(tookText('SIGTERM', stopped));
  assert.ok(stopped.ownedMs < (TTL_MS * 2) / 3, 'nobody waited for the lease to run out');
  stopped.old.start();
  await untilStandby(bed, stopped.old);

  await delay(1_000);
  const killed = await takeOver(bed, all, ({ process }) => process.end('SIGKILL'));
  t.diagnostic(tookText('kill -9', killed));
  assertInTime(killed);
  killed.old.start();
  await untilStandby(bed, killed.old);

  await delay(1_000);
  const paused = await takeOver(bed, all, async ({ process }) => process.signal('SIGSTOP'));
  t.diagnostic(tookText('SIGSTOP', paused));
  assert.ok(paused.ownedMs > TTL_MS / 2, 'a paused owner keeps its lease until it runs out');
  assertInTime(paused);
  await delay(1_000);
  paused.old.process.signal('SIGCONT');
  const { counts } = await untilStandby(bed, paused.old);
  for (let n = 0; n < 10; n++) {
    await look(bed, all);
    await delay(100);
  }
  const later = await fetchStatus(paused.old.url, bed.name);
  assert.deepEqual([later?.state, later?.counts.delivered], ['standby', counts.delivered]);
  assert.equal((await ownerOf(bed, all)).url, paused.next.url, 'it did not take it back');
}

/** What three processes are run with. */
export interface InstancesOptions {
  readonly mongo: string;
  readonly seed: number;
}

/**
 * Runs three processes over one bed with exactly-once delivery, under load: the owner is stopped, the next one killed,
 * the third one paused past the take-over and continued. Asserts that there is one owner at any time, that take-overs
 * come in time, that a paused owner delivers nothing afterwards, and that everything arrived once and in order.
 */
export async function runInstances(t: TestContext, bed: Bed, { mongo, seed }: InstancesOptions): Promise<void> {
  await using oracle = await startOracle({ uri: mongo, db: bed.db });
  const all = members(bed, await freePorts(3));
  const stop = new AbortController();
  let workload: Promise<unknown> = Promise.resolve();
  try {
    await ownerOf(bed, all);
    workload = runWorkload({ uri: mongo, db: bed.db, writers: 8, keys: 150, seed, pauseMs: 15 }, stop.signal);
    await scenario(t, bed, all);
    stop.abort();
    await workload;
    const expected = await oracle.settle();
    const lastId = expected.at(-1)?.id;
    await waitFor(async () => (await bed.delivered()).some(({ id }) => id === lastId), {
      timeoutMs: LIMIT_MS,
      intervalMs: 500,
      message: 'the last event arrives',
      retryErrors: true,
    });
    for (const { process } of all) assert.equal((await process.end('SIGTERM')).code, 0, process.stderr.slice(-2_000));
    const duplicates = assertDelivered(expected, await bed.delivered(), 'exactly-once');
    t.diagnostic(`${expected.length} events, ${duplicates} came again`);
    assert.ok(expected.length > 1_000, `only ${expected.length} events were written`);
  } finally {
    stop.abort();
    await Promise.all([workload, ...all.map(({ process }) => process[Symbol.asyncDispose]())]);
  }
}
