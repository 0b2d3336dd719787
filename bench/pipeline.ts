/**
 * One pipeline from a configuration file, in a process of its own, as `sluice run` runs it.
 * `pipeline.ts CONFIG EVENTS`: until so many events are acknowledged; prints one JSON line, a `Measurement`.
 * `pipeline.ts CONFIG latency SECONDS`: for so long; prints the percentiles of commit → acknowledged per event.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { buildPipeline } from '../packages/sluice/src/cli/build-pipeline.ts';
import type { PipelineConfig } from '../packages/sluice/src/config/config.ts';
import { loadConfig } from '../packages/sluice/src/config/load.ts';
import { registry } from '../packages/sluice/src/connectors/registry.ts';
import { silentLogger } from '../packages/sluice/src/core/logger.ts';
import type { Sink } from '../packages/sluice/src/core/sink.ts';
import type { PipelineStatus } from '../packages/sluice/src/core/status.ts';
import { noTelemetry } from '../packages/sluice/src/core/telemetry.ts';
import { createPipeline } from '../packages/sluice/src/engine/pipeline.ts';
import type { PipelineDefinition } from '../packages/sluice/src/engine/pipeline-definition.ts';
import { measure } from './measure.ts';
import { percentile } from './statistics.ts';

const [file = '', mode = '', seconds = '10'] = process.argv.slice(2);
const { config } = loadConfig({ file, registry, env: process.env });
const definition = buildPipeline(config.pipelines[0] as PipelineConfig, { registry, logger: silentLogger });
console.log(JSON.stringify(mode === 'latency' ? await latency(Number(seconds)) : await throughput(Number(mode))));
process.exit(0);

/** Measured from the moment everything is open, like the ceiling, to the acknowledgement of the last event. */
async function throughput(events: number) {
  const pipeline = createPipeline(definition, { logger: silentLogger, telemetry: noTelemetry });
  const [stop, abort] = [new AbortController(), new AbortController()];
  const running = pipeline.run({ stop: stop.signal, abort: abort.signal });
  const until = async (condition: (status: PipelineStatus) => boolean) => {
    for (let status = pipeline.status(); !condition(status); status = pipeline.status()) {
      if (status.state === 'failed') throw new Error(status.error?.message);
      await delay(2);
    }
  };
  await until(({ state }) => state === 'running' || state === 'catching-up');
  const result = await measure(async () => {
    await until(({ counts }) => counts.delivered >= events);
    return events;
  });
  stop.abort();
  await running;
  return result;
}

async function latency(forSeconds: number) {
  const samplesMs: number[] = [];
  const watched: PipelineDefinition = {
    ...definition,
    openSink: async (signal) => timed(await definition.openSink(signal), samplesMs),
  };
  const pipeline = createPipeline(watched, { logger: silentLogger, telemetry: noTelemetry });
  const [stop, abort] = [new AbortController(), new AbortController()];
  const running = pipeline.run({ stop: stop.signal, abort: abort.signal });
  await delay(forSeconds * 1_000);
  stop.abort();
  const { state, error } = await running;
  if (state === 'failed') throw new Error(error?.message);
  return { events: samplesMs.length, p50Ms: percentile(samplesMs, 0.5), p99Ms: percentile(samplesMs, 0.99) };
}

/** The sink, with the age of every event at the moment its write resolves. */
function timed(sink: Sink, samplesMs: number[]): Sink {
  return {
    limits: sink.limits,
    checkpoints: sink.checkpoints,
    async write(batch, context) {
      const result = await sink.write(batch, context);
      const now = Date.now();
      for (const { event } of batch) samplesMs.push(now - event.sourceTimeMs);
      return result;
    },
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  };
}
