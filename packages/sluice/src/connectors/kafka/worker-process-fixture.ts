import { setTimeout as delay } from 'node:timers/promises';
import { startWorker, type Worker } from './source-fixture.ts';

/*
 * A process for tests: a worker with a slow sink, so that it can be stopped in the middle of a batch. It says what it
 * writes, and at the end why. Argument: the settings of the source as JSON.
 */

const WRITE_MS = 20;

const say = (line: string) => process.stdout.write(`${line}\n`);
const worker: Worker = await startWorker({
  settings: JSON.parse(process.argv[2] ?? '') as Record<string, unknown>,
  write: async (messages) => {
    for (const { value } of messages) {
      worker.source.ensureOwned?.();
      say(`wrote ${value}`);
      await delay(WRITE_MS);
    }
  },
});
await worker.ended;
say(`ended ${(worker.error as { readonly code?: string } | undefined)?.code}`);
await worker[Symbol.asyncDispose]();
