import type { Registry } from '../connectors/registry-entry.ts';
import type { ChosenConnector } from './config.ts';
import { SCHEMA_DEFAULTS, type SchemaConfig, type SchemaSetting } from './schema-settings.ts';

/** What decides where the schema of a pipeline is kept. */
export interface SchemaPlaceParts {
  /** Where its checkpoints are kept; undefined when the source or the sink does that. */
  readonly checkpoints: ChosenConnector | undefined;
  readonly sink: ChosenConnector;
  readonly registry: Registry;
  /** Completes the connection of a store. */
  readonly inherit: (store: ChosenConnector) => ChosenConnector;
}

/** The schema section with its defaults: on unless it says otherwise, kept beside the checkpoints or in the target unless it names a place. */
export function completeSchema(setting: SchemaSetting, parts: SchemaPlaceParts): SchemaConfig | undefined {
  if (setting === 'off') return undefined;
  const { store: named, ...settings } = setting ?? { ...SCHEMA_DEFAULTS, store: undefined };
  const store = named ?? beside(parts);
  return { ...settings, store: store && parts.inherit(store) };
}

/** Named after the checkpoints when they have a name of their own: what is apart there stays apart. */
function beside({ checkpoints, sink, registry }: SchemaPlaceParts): ChosenConnector | undefined {
  if (checkpoints?.name === 'file') return { name: 'file', config: { path: checkpoints.config['path'] } };
  // Who keeps no checkpoints of its own and writes to MongoDB has no other place.
  if (checkpoints === undefined && sink.name === 'mongodb') {
    const { uri, tls, serverSelectionTimeout } = sink.config;
    const connection = { uri, tls, ...(serverSelectionTimeout === undefined ? {} : { serverSelectionTimeout }) };
    return { name: 'mongodb', config: { ...registry.schemas['mongodb']?.config.parse({}), ...connection } };
  }
  if (checkpoints?.name !== 'mongodb') return undefined;
  const usual = registry.checkpoints['mongodb']?.config.parse({})['collection'];
  const { collection, ...place } = checkpoints.config;
  const schemas = collection === usual ? {} : { collection: `${String(collection)}.schemas` };
  return { name: 'mongodb', config: { ...registry.schemas['mongodb']?.config.parse({}), ...place, ...schemas } };
}
