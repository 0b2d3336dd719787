import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '../config/load.ts';
import { registry } from '../connectors/registry.ts';
import type { ChangeEvent } from '../core/change-event.ts';
import type { DeadLetter } from '../core/dead-letter.ts';
import { silentLogger } from '../core/logger.ts';
import { createPipeline } from '../engine/pipeline.ts';
import { createMetrics } from '../ops/metrics.ts';
import { contractFormat } from '../testing/contracts/sink.ts';
import { orderingKey, testEvent } from '../testing/events.ts';
import { type MemoryRecord, memorySink } from '../testing/memory-sink.ts';
import { memorySource } from '../testing/memory-source.ts';
import { checkpointPlace, memoryCheckpointStore, memoryDeadLetters } from '../testing/memory-stores.ts';
import { writeConfig } from '../testing/sluice-process.ts';
import { tempDir } from '../testing/temp-dir.ts';
import { waitFor } from '../testing/wait-for.ts';
import { pipelineSchema, schemaControl } from './pipeline-schema.ts';

/*
 * The schema step in a running pipeline, set up by a configuration.
 */

/** A pipeline whose events the test adds; the fourth document of a run is the first that can be a change. */
async function bench(t: TestContext, onChange: string) {
  const directory = await tempDir('schema');
  t.after(() => directory[Symbol.asyncDispose]());
  const file = await writeConfig(directory.path, {
    version: 1,
    pipelines: {
      orders: {
        source: { mongodb: { uri: 'mongodb://127.0.0.1:1/?replicaSet=rs0' } },
        sink: { stdout: {} },
        checkpoint: { file: { path: join(directory.path, 'state') } },
        schema: { onChange, learnDocuments: 3 },
      },
    },
  });
  const [config] = loadConfig({ file, registry, env: {} }).config.pipelines;
  const metrics = createMetrics({ version: '1.2.3', processMetrics: false });
  const events: ChangeEvent[] = [];
  const records: MemoryRecord[] = [];
  const letters = new Map<string, DeadLetter>();
  const place = checkpointPlace();
  const add = (...documents: readonly Record<string, unknown>[]) =>
    void events.push(...documents.map((document, n) => testEvent({ sequence: events.length + n, document })));
  const start = () => {
    const telemetry = metrics.telemetryFor('orders');
    const schema = config && pipelineSchema(config, { registry, logger: silentLogger, telemetry });
    if (schema === undefined) throw new assert.AssertionError({ message: 'no schema is learned' });
    const pipeline = createPipeline(
      {
        name: 'orders',
        partition: 'orders/0',
        sourceName: 'memory',
        sinkName: 'memory',
        delivery: 'at-least-once',
        settings: {
          intervalMs: 5,
          idleIntervalMs: 20,
          inFlightBytes: 1_000_000,
          stallAfterMs: 60_000,
          backoff: { minMs: 1, maxMs: 5 },
          drainTimeoutMs: 60_000,
        },
        openSource: async () => memorySource(events),
        openSink: async () => memorySink(records, contractFormat),
        openCheckpoints: async () => memoryCheckpointStore(place),
        openDeadLetters: async () => memoryDeadLetters(letters),
        openTransforms: async (signal) => [await schema.openStep(signal)],
        orderingKey,
        describeKey: () => 'key',
      },
      { logger: silentLogger, telemetry },
    );
    const stop = new AbortController();
    const running = pipeline.run({ stop: stop.signal, abort: new AbortController().signal });
    const ended = (events: number) =>
      waitFor(() => pipeline.status().counts.delivered + pipeline.status().counts.deadLettered >= events, {
        timeoutMs: 60_000,
        message: `${events} events have ended`,
      });
    const end = () => {
      stop.abort();
      return running;
    };
    t.after(end);
    return { schema, control: schemaControl(new Map([['orders', schema]])), running, ended, end };
  };
  return { add, start, records, letters, metrics };
}

const SIGNAL = new AbortController().signal;

test('a refused document is a dead letter; once the change is accepted such documents pass', async (t) => {
  const { add, start, records, letters, metrics } = await bench(t, 'dead-letter');
  const run = start();
  add({ a: 1 }, { a: 1 }, { a: 1 }, { a: 1, b: 1 }, { a: 2 });
  await run.ended(5);
  assert.deepEqual([records.length, letters.size], [4, 1]);
  const [letter] = letters.values();
  assert.deepEqual(
    [letter?.code, letter?.reason],
    ['schema.drift', 'the schema has changed: the field b in test.items is new: int'],
  );
  assert.equal(await run.control.accept('orders', SIGNAL), 1);
  add({ a: 1, b: 2 });
  await run.ended(6);
  assert.equal(records.length, 5);
  const labels = 'pipeline="orders",collection="test.items",kind="field-added"';
  assert.ok((await metrics.render([])).includes(`sluice_schema_changes_total{${labels}} 1\n`));
  assert.equal((await run.end()).state, 'stopped');
});

test('a pipeline that stops because of a change goes on where it was once that is accepted', async (t) => {
  const { add, start, records } = await bench(t, 'stop');
  add({ a: 1 }, { a: 1 }, { a: 1 });
  const first = start();
  await first.ended(3);
  add({ a: 1, b: 1 });
  const { state, error } = await first.running;
  assert.deepEqual([state, error?.kind, error?.code], ['failed', 'config', 'schema.drift']);
  assert.equal((await start().running).error?.code, 'schema.drift', 'a restart does not learn it silently');
  assert.equal(await first.control.accept('orders', SIGNAL), 1, 'also when it does not run any more');
  const last = start();
  await last.ended(1);
  await last.end();
  assert.equal(records.length, 4);
});
