import type { Registry } from '../connectors/registry-entry.ts';
import type { ChosenConnector, PipelineConfig } from './config.ts';

type Settings = Readonly<Record<string, unknown>>;

/** What a store takes from the source or the sink of its pipeline when it does not say how to connect. */
const CONNECTION: Readonly<Record<string, { readonly key: string; readonly settings: readonly string[] }>> = {
  mongodb: { key: 'uri', settings: ['uri', 'tls', 'serverSelectionTimeout'] },
  kafka: { key: 'brokers', settings: ['brokers', 'clientId', 'sasl', 'tls', 'requestTimeout'] },
};

/**
 * The pipeline with its stores complete: the default place for checkpoints, and connections taken from the source or
 * sink of the same system. A store that still does not know where to connect is left as it is.
 */
export function completePipeline(pipeline: PipelineConfig, registry: Registry): PipelineConfig {
  const { source, sink, checkpoint, deadLetter } = pipeline;
  const givers = [source, sink];
  const store = checkpoint.store ?? defaultCheckpoint(pipeline, registry);
  return {
    ...pipeline,
    checkpoint: { ...checkpoint, store: store && inherit(store, givers) },
    deadLetter: deadLetter && inherit(deadLetter, givers),
  };
}

/** The setting that a store needs to connect and that nothing gives; undefined when it is complete. */
export function missingConnection(store: ChosenConnector | undefined): string | undefined {
  const key = store === undefined ? undefined : CONNECTION[store.name]?.key;
  return key !== undefined && store?.config[key] === undefined ? key : undefined;
}

/** A collection beside the source, unless the sink keeps checkpoints together with the data. */
function defaultCheckpoint({ source, sink }: PipelineConfig, registry: Registry): ChosenConnector | undefined {
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
