import { OrderingKeys } from '../bson/ordering-key.ts';
import type { ChosenConnector, PipelineConfig } from '../config/config.ts';
import { formatConfig } from '../config/format-schema.ts';
import type { Registry, RegistryEntry } from '../connectors/registry-entry.ts';
import type { Decoder } from '../core/broker-message.ts';
import type { ConnectorContext, SinkContext } from '../core/connector.ts';
import { SluiceError } from '../core/failure.ts';
import type { Format } from '../core/format.ts';
import type { LearnedFields } from '../core/learned-fields.ts';
import type { Instance } from '../core/lease.ts';
import type { Logger } from '../core/logger.ts';
import type { Transform } from '../core/transform.ts';
import type { PipelineDefinition } from '../engine/pipeline-definition.ts';
import { thisInstance } from '../engine/this-instance.ts';
import { PipelineSchema } from '../schema/pipeline-schema.ts';
import type { SchemaSettings } from '../schema/settings.ts';
import { Secret } from '../settings/secret.ts';
import { describeKey } from './describe-key.ts';
import { packageVersion } from './package-version.ts';

/** What a definition is built with. */
export interface BuildContext {
  readonly registry: Registry;
  readonly logger: Logger;
  /** What learns the schema of the pipeline; nothing does when left out. */
  readonly schema?: PipelineSchema | undefined;
  /** Who asks for leases; a new identity when left out. */
  readonly instance?: Instance | undefined;
}

/** The pipeline of a configuration as the engine runs it. Connectors are loaded when they are first opened. */
export function buildPipeline(config: PipelineConfig, context: BuildContext): PipelineDefinition {
  const { registry } = context;
  const connector = connectorContext(config, context.logger);
  const { store } = config.checkpoint;
  const { deadLetter, lease } = config;
  const orderingKeys = new OrderingKeys();
  const schemas = schemasOf(config, context);
  return {
    name: config.name,
    partition: partitionOf(config),
    sourceName: describeConnector(config.source, registry.sources),
    sinkName: describeConnector(config.sink, registry.sinks),
    delivery: config.sink.config['delivery'] === 'exactly-once' ? 'exactly-once' : 'at-least-once',
    settings: settingsOf(config),
    lease: lease && {
      ttlMs: lease.ttlMs,
      holder: context.instance ?? thisInstance(),
      open: async (signal) =>
        (await entryOf(registry.leases, lease.store).load()).open(lease.store.config, connector(signal)),
    },
    openSource: async (signal) =>
      (await entryOf(registry.sources, config.source).load()).open(config.source.config, {
        ...connector(signal),
        onPositionLost: config.onPositionLost,
        decoder: await pipelineDecoder(config),
      }),
    openSink: async (signal) =>
      (await entryOf(registry.sinks, config.sink).load()).open(config.sink.config, {
        ...(await sinkContext(config, connector(signal))),
        learned: schemas.learned,
      }),
    openCheckpoints:
      store &&
      (async (signal) => (await entryOf(registry.checkpoints, store).load()).open(store.config, connector(signal))),
    openDeadLetters:
      deadLetter &&
      (async (signal) =>
        (await entryOf(registry.deadLetters, deadLetter).load()).open(deadLetter.config, connector(signal))),
    openTransforms: (signal) => openSteps(config, schemas, signal),
    concurrency: config.concurrency,
    onDeadLetter: config.onDeadLetter,
    orderingKey: (event) => orderingKeys.of(event),
    describeKey: ({ envelope }) => describeKey(envelope.event),
  };
}

/** What looks at the schema first, then the transforms, then what tells the sink what comes out of them. */
async function openSteps(
  config: PipelineConfig,
  { before, behind }: Schemas,
  signal: AbortSignal,
): Promise<readonly Transform[]> {
  // In this order nothing is left open when a transform cannot be opened.
  const transforms = await pipelineTransforms(config, signal);
  const first = before === undefined ? [] : [await before.openStep(signal)];
  // Kept in memory only, it has nothing to open that could fail.
  const last = behind === undefined ? [] : [await behind.openStep(signal)];
  return [...first, ...transforms, ...last];
}

/** What learns the schema of a pipeline, and what learns it anew for a sink behind transforms. */
interface Schemas {
  readonly before: PipelineSchema | undefined;
  readonly behind: PipelineSchema | undefined;
  /** What the sink is told. */
  readonly learned: LearnedFields | undefined;
}

function schemasOf(config: PipelineConfig, { schema: before, registry, logger }: BuildContext): Schemas {
  if (entryOf(registry.sinks, config.sink).learns !== true) return { before, behind: undefined, learned: undefined };
  if (before !== undefined && config.transforms.length === 0) {
    return { before, behind: undefined, learned: before.fields() };
  }
  const behind = new PipelineSchema({ pipeline: config.name, settings: FOR_THE_SINK, logger });
  return { before, behind, learned: behind.fields() };
}

/** The sink decides itself what to do with what is new. */
const FOR_THE_SINK: SchemaSettings = { onChange: 'allow', learnDocuments: 1, collapseAbove: 100 };

/** Every pipeline runs as one partition. */
export function partitionOf({ name }: PipelineConfig): string {
  return `${name}/0`;
}

/** The context that the connectors of a pipeline are opened with. */
export function connectorContext(config: PipelineConfig, logger: Logger): (signal: AbortSignal) => ConnectorContext {
  const partition = partitionOf(config);
  return (signal) => ({ pipeline: config.name, partition, logger, signal });
}

/** The context of the pipeline's sink: with a format of its own. */
export async function sinkContext(config: PipelineConfig, context: ConnectorContext): Promise<SinkContext> {
  return { ...context, format: await pipelineFormat(config) };
}

/** A new format as the pipeline's sink uses it. */
export async function pipelineFormat(config: PipelineConfig): Promise<Format> {
  const { createFormat } = await import('../formats/formats.ts');
  const identity = { cluster: clusterOf(config.source), connector: config.name, version: packageVersion() };
  const looksUp = config.source.config['fullDocument'] === 'updateLookup';
  return createFormat(formatConfig(config.sink.format, { identity, looksUp }));
}

/** What makes events of the messages that the pipeline reads; undefined where it reads none. */
export async function pipelineDecoder({ source }: PipelineConfig): Promise<Decoder | undefined> {
  if (source.format === undefined) return undefined;
  const { createDecoder } = await import('../formats/decode/decoder.ts');
  return createDecoder(source.format);
}

/** The transforms of the pipeline, in their order. */
export async function pipelineTransforms(
  { name, transforms }: PipelineConfig,
  signal: AbortSignal,
): Promise<readonly Transform[]> {
  if (transforms.length === 0) return [];
  const { createTransforms } = await import('../transforms/create-transforms.ts');
  return createTransforms(transforms, { pipeline: name, signal });
}

/** The entry of a connector that the configuration chose. */
export function entryOf<Role>(entries: Readonly<Record<string, RegistryEntry<Role>>>, { name }: ChosenConnector) {
  const entry = entries[name];
  if (entry !== undefined) return entry;
  throw new SluiceError(`there is no connector "${name}"`, { kind: 'internal', code: 'cli.unknown-connector' });
}

/** `kafka {db}.{coll}`: the connector and what it reads or writes. */
export function describeConnector(
  chosen: ChosenConnector,
  entries: Readonly<Record<string, RegistryEntry<unknown>>>,
): string {
  const details = entryOf(entries, chosen).describe(chosen.config);
  return details === '' ? chosen.name : `${chosen.name} ${details}`;
}

function settingsOf(config: PipelineConfig): PipelineDefinition['settings'] {
  const { checkpoint, inFlightBytes, stallAfterMs, drainTimeoutMs, backoff } = config;
  const { intervalMs, idleIntervalMs } = checkpoint;
  return { intervalMs, idleIntervalMs, inFlightBytes, stallAfterMs, drainTimeoutMs, backoff };
}

/** The replica set named in the connection string, else its first host: what the records call their cluster. */
function clusterOf({ name, config }: ChosenConnector): string {
  const uri = config['uri'] instanceof Secret ? config['uri'].reveal() : '';
  const replicaSet = /[?&]replicaSet=([^&]+)/.exec(uri)?.[1];
  const host = /^[^:]+:\/\/(?:.*@)?([^/?,]+)/.exec(uri)?.[1];
  return replicaSet ?? host ?? name;
}
