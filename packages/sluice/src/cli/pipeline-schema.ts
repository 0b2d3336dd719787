import type { PipelineConfig } from '../config/config.ts';
import type { Registry } from '../connectors/registry-entry.ts';
import { SluiceError } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { SchemaStore } from '../core/schema-store.ts';
import type { Telemetry } from '../core/telemetry.ts';
import type { SchemaControl } from '../ops/schema-routes.ts';
import { PipelineSchema } from '../schema/pipeline-schema.ts';
import { connectorContext, describeConnector, entryOf } from './build-pipeline.ts';

/** What the schema of a pipeline is made with. */
export interface PipelineSchemaContext {
  readonly registry: Registry;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

/** What learns and watches the schema of a pipeline while it runs; undefined when it is off. */
export function pipelineSchema(config: PipelineConfig, context: PipelineSchemaContext): PipelineSchema | undefined {
  const { name: pipeline, schema } = config;
  if (schema === undefined) return undefined;
  const { store: _, ...settings } = schema;
  const { logger, telemetry } = context;
  const onChange = ({ collection, kind }: { readonly collection: string; readonly kind: string }) =>
    telemetry.schemaChange(collection, kind);
  return new PipelineSchema({ pipeline, settings, ...schemaPlace(config, context), logger, onChange });
}

/** Where the schema of a pipeline is kept; empty when only the process knows it. */
export function schemaPlace(
  config: PipelineConfig,
  { registry, logger }: Pick<PipelineSchemaContext, 'registry' | 'logger'>,
): { readonly openStore?: (signal: AbortSignal) => Promise<SchemaStore>; readonly storeName?: string } {
  const store = config.schema?.store;
  if (store === undefined) return {};
  const connector = connectorContext(config, logger);
  return {
    storeName: describeConnector(store, registry.schemas),
    openStore: async (signal) => (await entryOf(registry.schemas, store).load()).open(store.config, connector(signal)),
  };
}

/** The schemas of the pipelines that run here, for the HTTP endpoint. */
export function schemaControl(schemas: ReadonlyMap<string, PipelineSchema>): SchemaControl {
  return {
    view: (pipeline) => schemas.get(pipeline)?.view(),
    async accept(pipeline, signal) {
      const schema = schemas.get(pipeline);
      if (schema !== undefined) return schema.accept(signal);
      throw new SluiceError(`the pipeline ${pipeline} learns no schema`, { kind: 'config', code: 'http.no-schema' });
    },
  };
}
