import type { Registry } from '../connectors/registry-entry.ts';
import type { OnPositionLost } from '../core/connector.ts';
import type { SchemaSettings } from '../schema/settings.ts';
import type { Secret } from '../settings/secret.ts';
import { choiceProblems, exposureProblems, nameProblems } from './checks.ts';
import type { ChosenConnector, Config, PipelineConfig } from './config.ts';
import { conflictProblems } from './conflicts.ts';
import type { DecoderSetting } from './decoder-schema.ts';
import { type FormatSetting, formatSetting } from './format-schema.ts';
import { completePipeline, type LeaseSetting } from './inherit.ts';
import { issueMessage, problemsOf } from './issues.ts';
import type { ListenAddress } from './listen-address.ts';
import { type Prepared, prepare } from './prepare.ts';
import { ConfigError } from './problem.ts';
import { inFileOrder, readConfigText, readTree } from './read-file.ts';
import { fileReader } from './reference-file.ts';
import { configSchema } from './schema.ts';
import type { SchemaSetting } from './schema-settings.ts';
import { transformSettings, type WrittenTransforms } from './transform-schema.ts';

/** Where a configuration comes from. */
export interface LoadOptions {
  /** The YAML file, as the user named it; errors show it like that. */
  readonly file: string;
  readonly registry: Registry;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A configuration that passed every check that needs no other system. */
export interface LoadedConfig {
  readonly file: string;
  readonly config: Config;
  /** Values that must never be printed, for the last line of defence in logs and errors. */
  readonly secrets: readonly string[];
  /** The validated file with its defaults, in the shape of the schema; see `printConfig`. */
  readonly effective: unknown;
}

/** Reads, resolves and validates a file. Throws `ConfigError` with everything that is wrong; starts nothing. */
export function loadConfig(options: LoadOptions): LoadedConfig {
  return checkConfigText(readConfigText(options.file), options);
}

/** `loadConfig` for text that is not (yet) in the file; `file` gives the place for messages and relative paths. */
export function checkConfigText(text: string, options: LoadOptions): LoadedConfig {
  const { file, registry } = options;
  const root = readTree(text, file);
  const schema = configSchema(registry);
  const sources = { env: options.env, readFile: fileReader(file) };
  const prepared = prepare(root, { file, schema, sources });
  const parsed = schema.safeParse(prepared.value, { error: issueMessage });
  const problems = [
    ...prepared.problems,
    ...problemsOf(parsed.error?.issues ?? [], { file, schema, prepared }),
    ...nameProblems(prepared, file),
    ...choiceProblems(prepared, registry, file),
    ...exposureProblems(prepared, file),
  ];
  if (!parsed.success || problems.length > 0) throw new ConfigError(inFileOrder(problems));
  const config = toConfig(parsed.data as unknown as Effective, registry);
  const conflicts = conflictProblems(config, { prepared, file, registry });
  if (conflicts.length > 0) throw new ConfigError(inFileOrder(conflicts));
  return { file, config, secrets: usefulSecrets(prepared), effective: parsed.data };
}

/** A very short value would mask half of every text. */
function usefulSecrets({ secrets }: Prepared): readonly string[] {
  return [...new Set(secrets)].filter((secret) => secret.length >= 4);
}

type Choice = Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;

/** The output of the schema, whose connector sections are only known by name. */
interface Effective {
  readonly http: { readonly listen: ListenAddress; readonly token?: Secret | undefined };
  readonly log: Config['log'];
  readonly pipelines: Readonly<Record<string, EffectivePipeline>>;
}

interface EffectivePipeline {
  readonly source: Choice;
  readonly transforms: WrittenTransforms;
  readonly sink: Choice;
  readonly checkpoint: Choice & { readonly interval: number; readonly idleInterval: number };
  readonly deadLetter?: Choice | undefined;
  readonly onDeadLetter: 'continue' | 'park';
  readonly concurrency?: number | undefined;
  readonly lease?: 'off' | (Choice & { readonly ttl: number }) | undefined;
  readonly schema?: 'off' | (Choice & SchemaSettings) | undefined;
  readonly onPositionLost: OnPositionLost;
  readonly inFlightBytes: number;
  readonly stallAfter: number;
  readonly drainTimeout: number;
  readonly backoff: { readonly min: number; readonly max: number };
}

function toConfig({ http, log, pipelines }: Effective, registry: Registry): Config {
  return {
    http: { listen: http.listen, token: http.token },
    log,
    pipelines: Object.entries(pipelines).map(([name, pipeline]) =>
      completePipeline(
        toPipeline(name, pipeline),
        { lease: leaseSetting(pipeline.lease), schema: schemaSetting(pipeline.schema) },
        registry,
      ),
    ),
  };
}

function leaseSetting(lease: EffectivePipeline['lease']): LeaseSetting {
  if (lease === undefined || lease === 'off') return lease;
  const { ttl, ...stores } = lease;
  return { store: chosen(stores), ttlMs: ttl };
}

function schemaSetting(schema: EffectivePipeline['schema']): SchemaSetting {
  if (schema === undefined || schema === 'off') return schema;
  const { onChange, learnDocuments, collapseAbove, ...stores } = schema;
  return { onChange, learnDocuments, collapseAbove, store: chosen(stores) };
}

function toPipeline(name: string, pipeline: EffectivePipeline): Omit<PipelineConfig, 'lease' | 'schema'> {
  const { interval, idleInterval, ...stores } = pipeline.checkpoint;
  const sink = chosen(pipeline.sink) as ChosenConnector;
  const { format, ...config } = sink.config;
  const source = chosen(pipeline.source) as ChosenConnector;
  const { format: decoding, ...sourceConfig } = source.config;
  return {
    name,
    source: { name: source.name, config: sourceConfig, format: decoding as DecoderSetting | undefined },
    transforms: transformSettings(pipeline.transforms),
    // A sink without a format of its own never looks at the one it is given.
    sink: { name: sink.name, config, format: (format ?? formatSetting.parse(undefined)) as FormatSetting },
    checkpoint: { store: chosen(stores), intervalMs: interval, idleIntervalMs: idleInterval },
    deadLetter: pipeline.deadLetter && chosen(pipeline.deadLetter),
    onDeadLetter: pipeline.onDeadLetter,
    concurrency: pipeline.concurrency,
    onPositionLost: pipeline.onPositionLost,
    inFlightBytes: pipeline.inFlightBytes,
    stallAfterMs: pipeline.stallAfter,
    drainTimeoutMs: pipeline.drainTimeout,
    backoff: { minMs: pipeline.backoff.min, maxMs: pipeline.backoff.max },
  };
}

function chosen(choice: Choice): ChosenConnector | undefined {
  for (const [name, config] of Object.entries(choice)) {
    if (config !== undefined) return { name, config };
  }
  return undefined;
}
