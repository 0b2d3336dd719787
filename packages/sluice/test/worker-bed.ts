import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PipelineStatus } from '../src/core/status.ts';
import { areEqual, compareCollections, type Differences } from '../src/testing/compare-documents.ts';
import { freePorts } from '../src/testing/servers/free-port.ts';
import { fetchStatus, SluiceProcess, waitForStatus, writeConfig } from '../src/testing/sluice-process.ts';
import { tempDir } from '../src/testing/temp-dir.ts';
import { waitFor } from '../src/testing/wait-for.ts';

/** A process that runs pipelines, with the address of its own. */
export interface RunningPipelines extends AsyncDisposable {
  readonly process: SluiceProcess;
  readonly url: string;
  /** The status of one pipeline; undefined while the process does not answer. */
  status(pipeline: string): Promise<PipelineStatus | undefined>;
  waitFor(
    pipeline: string,
    condition: (status: PipelineStatus) => boolean,
    timeoutMs?: number,
  ): Promise<PipelineStatus>;
}

/** A place for the configurations and files of several processes. */
export interface WorkerBed extends AsyncDisposable {
  /** Part of the names of everything that belongs to this test. */
  readonly id: string;
  readonly directory: string;
  /** Starts `sluice run` for these pipelines. */
  start(pipelines: Readonly<Record<string, object>>): Promise<RunningPipelines>;
}

/** Retries come soon, so that tests need not wait for them. */
const QUICK = { backoff: { min: '50ms', max: '1s' } };

export async function workerBed(): Promise<WorkerBed> {
  const directory = await tempDir('workers');
  const id = randomUUID().slice(0, 8);
  let processes = 0;
  return {
    id,
    directory: directory.path,
    async start(pipelines) {
      const [port] = await freePorts(1);
      const home = join(directory.path, `process-${++processes}`);
      await mkdir(home);
      const all = Object.entries(pipelines).map(([name, pipeline]) => [name, { ...QUICK, ...pipeline }]);
      const http = { listen: `127.0.0.1:${port}` };
      const config = await writeConfig(home, { version: 1, http, pipelines: Object.fromEntries(all) });
      const process = new SluiceProcess(['run', '-c', config]);
      const url = `http://127.0.0.1:${port}`;
      return {
        process,
        url,
        status: (pipeline) => fetchStatus(url, pipeline),
        waitFor: (pipeline, condition, timeoutMs = 120_000) =>
          waitForStatus(url, condition, { pipeline, process, timeoutMs }),
        [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
      };
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** For messages: the status of each of these pipelines, and the end of the log of the process. */
export async function stateText(running: RunningPipelines, pipelines: readonly string[]): Promise<string> {
  const statuses = pipelines.map(async (name) => `${name}: ${JSON.stringify(await running.status(name))}`);
  return [...(await Promise.all(statuses)), running.process.stderr.slice(-2_000)].join('\n');
}

/** Collections of a source database that a target database must come to hold. */
export interface SameDocuments {
  readonly source: { readonly uri: string; readonly db: string };
  readonly target: { readonly uri: string; readonly db: string };
  readonly collections: readonly string[];
  readonly timeoutMs: number;
}

/** Waits until the target holds the documents of the source, byte for byte; on a timeout the error shows what differs. */
export async function waitUntilSame({ source, target, collections, timeoutMs }: SameDocuments): Promise<void> {
  let last: Readonly<Record<string, Differences>> = {};
  const same = async () => {
    const found = await Promise.all(
      collections.map(
        async (coll) => [coll, await compareCollections({ ...source, coll }, { ...target, coll })] as const,
      ),
    );
    last = Object.fromEntries(found);
    return found.every(([, differences]) => areEqual(differences));
  };
  try {
    await waitFor(same, { timeoutMs, intervalMs: 500, message: 'the target is equal', retryErrors: true });
  } catch (cause) {
    const shown = Object.entries(last).map(([coll, { missing, extra, different }]) => {
      const some = (ids: readonly string[]) => `${ids.length} (${ids.slice(0, 5).join(', ')})`;
      return `${coll}: missing ${some(missing)}, extra ${some(extra)}, different ${some(different)}`;
    });
    throw new Error(`${target.db} differs from ${source.db}: ${shown.join('; ')}`, { cause });
  }
}
