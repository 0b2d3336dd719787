/**
 * One pipeline that copies a collection, in a process of its own, as `sluice run` runs it.
 * `snapshot-run.ts CONFIG null|sink COUNT`: until so many documents are acknowledged by a sink that keeps nothing, or by
 * the one of the configuration; prints one JSON line, a `Measurement` with the largest lag of changes in ms.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { buildPipeline } from '../packages/sluice/src/cli/build-pipeline.ts';
import type { PipelineConfig } from '../packages/sluice/src/config/config.ts';
import { loadConfig } from '../packages/sluice/src/config/load.ts';
import { registry } from '../packages/sluice/src/connectors/registry.ts';
import { silentLogger } from '../packages/sluice/src/core/logger.ts';
import type { Sink } from '../packages/sluice/src/core/sink.ts';
import { noTelemetry } from '../packages/sluice/src/core/telemetry.ts';
import { createPipeline } from '../packages/sluice/src/engine/pipeline.ts';
import { measure } from './measure.ts';

const [file = '', sink = '', count = '0'] = process.argv.slice(2);
const { config } = loadConfig({ file, registry, env: process.env });
const definition = buildPipeline(config.pipelines[0] as PipelineConfig, { registry, logger: silentLogger });
let rows = 0;
let changes = 0;
let streamLagMaxMs = 0;
const openSink = async (signal: AbortSignal) =>
  watched(sink === 'null' ? nullSink() : await definition.openSink(signal));
const pipeline = createPipeline({ ...definition, openSink }, { logger: silentLogger, telemetry: noTelemetry });
const [stop, abort] = [new AbortController(), new AbortController()];
const running = pipeline.run({ stop: stop.signal, abort: abort.signal });
while (pipeline.status().state === 'starting') await delay(1);
const result = await measure(async () => {
  while (rows < Number(count)) {
    const { state, error } = pipeline.status();
    if (state === 'failed' || state === 'backing-off') throw new Error(error?.message);
    await delay(2);
  }
  return rows;
});
stop.abort();
await running;
console.log(JSON.stringify({ ...result, changes, streamLagMaxMs }));
process.exit(0);

function nullSink(): Sink {
  return {
    limits: { records: 10_000, bytes: 4 * 1024 * 1024, batchesInFlight: 1 },
    write: async (batch) => ({ delivered: batch.length, filtered: 0 }),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Counts the rows that are acknowledged, and how late the changes among them are. */
function watched(inner: Sink): Sink {
  return {
    limits: inner.limits,
    checkpoints: inner.checkpoints,
    async write(batch, context) {
      const written = await inner.write(batch, context);
      const nowMs = Date.now();
      for (const { event } of batch) {
        if (event.op === 'snapshot') rows += 1;
        else {
          changes += 1;
          streamLagMaxMs = Math.max(streamLagMaxMs, nowMs - event.sourceTimeMs);
        }
      }
      return written;
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}
