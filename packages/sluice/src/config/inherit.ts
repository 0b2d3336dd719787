import type { MongodbSourceConfig } from '../connectors/mongodb/config.ts';
import type { Registry } from '../connectors/registry-entry.ts';
import { serverMatch } from '../transforms/server-match.ts';
import type { ChosenConnector, PipelineConfig } from './config.ts';
import { completeSchema } from './schema-place.ts';
import type { SchemaSetting } from './schema-settings.ts';

type Settings = Readonly<Record<string, unknown>>;

/** What a store takes from the source or the sink of its pipeline when it does not say how to connect. */
const CONNECTION: Readonly<Record<string, { readonly key: string; readonly settings: readonly string[] }>> = {
  mongodb: { key: 'uri', settings: ['uri', 'tls', 'serverSelectionTimeout'] },
  kafka: { key: 'brokers', settings: ['brokers', 'clientId', 'sasl', 'tls', 'requestTimeout'] },
};

/** What the file says about the lease; undefined when it says nothing. */
export type LeaseSetting = 'off' | { readonly store: ChosenConnector | undefined; readonly ttlMs: number } | undefined;

/** What a pipeline is before its lease and its schema are decided. */
type Undecided = Omit<PipelineConfig, 'lease' | 'schema'>;

/** What the file says about what is still to be decided. */
export interface OpenSettings {
  readonly lease: LeaseSetting;
  readonly schema: SchemaSetting;
}

const DEFAULT_TTL_MS = 15_000;

/**
 * The pipeline with its stores complete: the default places for checkpoints, the lease and the schema, and connections
 * taken from the source or sink of the same system. A store that still does not know where to connect is left as it is.
 */
export function completePipeline(pipeline: Undecided, open: OpenSettings, registry: Registry): PipelineConfig {
  const { source, sink, checkpoint, deadLetter } = pipeline;
  const givers = [source, sink];
  const place = checkpoint.store ?? defaultCheckpoint(pipeline, registry);
  const store = place && inherit(place, givers);
  return {
    ...pipeline,
    source: withServerMatch(forSink(source, sink, registry), pipeline.transforms),
    sink: forSource(sink, source, registry),
    checkpoint: { ...checkpoint, store },
    deadLetter: deadLetter && inherit(deadLetter, givers),
    lease: completeLease(open.lease, { checkpoints: store, givers, registry }),
    schema: completeSchema(open.schema, {
      checkpoints: store,
      sink,
      registry,
      inherit: (chosen) => inherit(chosen, givers),
    }),
  };
}

/** What leads the transforms is done by the server where it can: events that nobody wants are not even sent. */
function withServerMatch(
  source: PipelineConfig['source'],
  transforms: PipelineConfig['transforms'],
): PipelineConfig['source'] {
  const query = source.name === 'mongodb' ? serverMatch(transforms) : undefined;
  return query === undefined ? source : { ...source, config: { ...source.config, serverMatch: query } };
}

/** What a sink needs to know a MongoDB says: whole documents, and what collections are like. */
function forSink(
  source: PipelineConfig['source'],
  sink: ChosenConnector,
  registry: Registry,
): PipelineConfig['source'] {
  if (source.name !== 'mongodb') return source;
  const needs = registry.sinks[sink.name];
  const config = source.config as MongodbSourceConfig;
  const { snapshot } = config;
  return {
    ...source,
    config: {
      ...config,
      fullDocument: config.fullDocument ?? (needs?.wholeDocuments === true ? 'updateLookup' : 'whenAvailable'),
      // Between two MongoDB the options of collections follow when they change.
      ddl: config.ddl ?? sink.name === 'mongodb',
      snapshot: { ...snapshot, structure: snapshot.structure ?? needs?.structure === true },
    },
  };
}

/**
 * The delete of a document that the server looked up in vain follows, so there it is no loss to leave its update out. And
 * only there a rename stands between the changes before and behind it.
 */
function forSource(sink: PipelineConfig['sink'], source: ChosenConnector, registry: Registry): PipelineConfig['sink'] {
  if (registry.sinks[sink.name]?.wholeDocuments !== true) return sink;
  const { fullDocument } = source.config as Partial<MongodbSourceConfig>;
  const looksUp = source.name === 'mongodb' && (fullDocument === undefined || fullDocument === 'updateLookup');
  const missingDocument = sink.config['missingDocument'] ?? (looksUp ? 'skip' : 'reject');
  const onRename = sink.config['onRename'] ?? (source.name === 'mongodb' ? 'apply' : 'ignore');
  return { ...sink, config: { ...sink.config, missingDocument, onRename } };
}

/** Checkpoints in MongoDB need no other permission for a lease beside them, so there it is on by default. */
function completeLease(
  setting: LeaseSetting,
  parts: {
    readonly checkpoints: ChosenConnector | undefined;
    readonly givers: readonly ChosenConnector[];
    readonly registry: Registry;
  },
): PipelineConfig['lease'] {
  if (setting === 'off') return undefined;
  const beside = parts.checkpoints?.name === LEASE_STORE ? parts.checkpoints : undefined;
  if (setting === undefined && beside === undefined) return undefined;
  const store = setting?.store ?? defaultLease(beside, parts.registry);
  return { store: inherit(store, parts.givers), ttlMs: setting?.ttlMs ?? DEFAULT_TTL_MS };
}

const LEASE_STORE = 'mongodb';

/** Named after the checkpoints when they have a name of their own: what is apart there must not share leases. */
function defaultLease(beside: ChosenConnector | undefined, registry: Registry): ChosenConnector {
  const defaults = registry.leases[LEASE_STORE]?.config.parse({}) ?? {};
  if (beside === undefined) return { name: LEASE_STORE, config: defaults };
  const { collection } = beside.config as { readonly collection: string };
  const usual = registry.checkpoints[LEASE_STORE]?.config.parse({})['collection'];
  const leases = collection === usual ? {} : { collection: `${collection}.leases` };
  const { collection: _, ...place } = beside.config;
  return { name: LEASE_STORE, config: { ...defaults, ...place, ...leases } };
}

/** The setting that a store needs to connect and that nothing gives; undefined when it is complete. */
export function missingConnection(store: ChosenConnector | undefined): string | undefined {
  const key = store === undefined ? undefined : CONNECTION[store.name]?.key;
  return key !== undefined && store?.config[key] === undefined ? key : undefined;
}

/** A collection beside the source, unless the sink keeps checkpoints together with the data. */
function defaultCheckpoint({ source, sink }: Undecided, registry: Registry): ChosenConnector | undefined {
  const entry = registry.checkpoints[source.name];
  if (sink.config['delivery'] === 'exactly-once' || entry === undefined) return undefined;
  return { name: source.name, config: entry.config.parse({}) };
}

function inherit(store: ChosenConnector, givers: readonly ChosenConnector[]): ChosenConnector {
  const connection = CONNECTION[store.name];
  const giver = givers.find(({ name }) => name === store.name);
  if (connection === undefined || giver === undefined || store.config[connection.key] !== undefined) return store;
  return { name: store.name, config: { ...store.config, ...pick(giver.config, connection.settings) } };
}

function pick(settings: Settings, keys: readonly string[]): Settings {
  const present = keys.filter((key) => settings[key] !== undefined);
  return Object.fromEntries(present.map((key) => [key, settings[key]]));
}
