import type { PipelineConfig } from '../config/config.ts';
import { registry } from '../connectors/registry.ts';
import type { Finding } from '../core/connector.ts';
import { silentLogger } from '../core/logger.ts';
import { connectorContext, entryOf, sinkContext } from './build-pipeline.ts';

/** A look at one of the systems of a pipeline. */
export interface PipelineCheck {
  /** The connector, with its section where it is a store: `kafka`, `checkpoint.mongodb`. */
  readonly name: string;
  run(signal: AbortSignal): Promise<readonly Finding[]>;
}

/** The checks of everything that a pipeline uses, in the order of the configuration. */
export function pipelineChecks(config: PipelineConfig): readonly PipelineCheck[] {
  const context = connectorContext(config, silentLogger);
  const { source, sink, checkpoint, deadLetter, lease, schema } = config;
  const checks: PipelineCheck[] = [
    {
      name: source.name,
      run: async (signal) => (await entryOf(registry.sources, source).load()).check(source.config, context(signal)),
    },
    {
      name: sink.name,
      run: async (signal) =>
        (await entryOf(registry.sinks, sink).load()).check(sink.config, await sinkContext(config, context(signal))),
    },
  ];
  const { store } = checkpoint;
  if (store !== undefined) {
    const check = async (signal: AbortSignal) =>
      (await entryOf(registry.checkpoints, store).load()).check(store.config, context(signal));
    checks.push({ name: `checkpoint.${store.name}`, run: check });
  }
  if (deadLetter !== undefined) {
    const check = async (signal: AbortSignal) =>
      (await entryOf(registry.deadLetters, deadLetter).load()).check(deadLetter.config, context(signal));
    checks.push({ name: `deadLetter.${deadLetter.name}`, run: check });
  }
  if (lease !== undefined) {
    const check = async (signal: AbortSignal) =>
      (await entryOf(registry.leases, lease.store).load()).check(lease.store.config, context(signal));
    checks.push({ name: `lease.${lease.store.name}`, run: check });
  }
  const schemaStore = schema?.store;
  if (schemaStore !== undefined) {
    const check = async (signal: AbortSignal) =>
      (await entryOf(registry.schemas, schemaStore).load()).check(schemaStore.config, context(signal));
    checks.push({ name: `schema.${schemaStore.name}`, run: check });
  }
  return checks;
}
