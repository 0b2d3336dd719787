import type { z } from 'zod';
import type {
  ConnectorContext,
  Finding,
  OpenCheckpointStore,
  OpenDeadLetterStore,
  OpenLeaseStore,
  OpenSchemaStore,
  SinkConnector,
  SourceConnector,
} from '../core/connector.ts';

/** What the configuration has to know of a connector besides its schema. */
export interface ConnectorTraits {
  /** A source that reads messages of a broker: takes a `format`, gets a decoder, and keeps its position itself. */
  readonly messages?: boolean;
  /** A sink that can write different keys at the same time: takes `concurrency`. */
  readonly lanes?: boolean;
  /** A sink that writes documents as they are: takes no `format`. */
  readonly documents?: boolean;
  /** A sink that needs the whole document with every change: a MongoDB source looks it up. */
  readonly wholeDocuments?: boolean;
  /** A sink that wants to know what collections are like: a MongoDB source says it. */
  readonly structure?: boolean;
  /** A sink that makes fields or columns of what the documents show: it is told what the pipeline learns. */
  readonly learns?: boolean;
}

/** A place in the registry: the schema of the configuration, and how to load the code that takes it. */
export interface RegistryEntry<Role> extends ConnectorTraits {
  /** Loads no client library, so that a configuration can be checked without any. */
  readonly config: z.ZodObject;
  /** Loads the connector. It must be called with the output of `config`. */
  load(): Promise<Role>;
  /** What the connector reads or writes, for people; without secrets. */
  describe(config: unknown): string;
}

/** The code of a place for checkpoints, dead letters, leases or learned schemas. */
export interface StoreConnector<Open extends (config: never, context: ConnectorContext) => unknown> {
  readonly open: Open;
  /** Looks at the real system; findings instead of exceptions. */
  check(config: Parameters<Open>[0], context: ConnectorContext): Promise<readonly Finding[]>;
}

/** Every connector by role and name; the names are the keys in the configuration. */
export interface Registry {
  readonly sources: Readonly<Record<string, RegistryEntry<SourceConnector<unknown>>>>;
  readonly sinks: Readonly<Record<string, RegistryEntry<SinkConnector<unknown>>>>;
  readonly checkpoints: Readonly<Record<string, RegistryEntry<StoreConnector<OpenCheckpointStore<unknown>>>>>;
  readonly deadLetters: Readonly<Record<string, RegistryEntry<StoreConnector<OpenDeadLetterStore<unknown>>>>>;
  readonly leases: Readonly<Record<string, RegistryEntry<StoreConnector<OpenLeaseStore<unknown>>>>>;
  readonly schemas: Readonly<Record<string, RegistryEntry<StoreConnector<OpenSchemaStore<unknown>>>>>;
}

/** What an entry is made of while its types are still known. */
export interface TypedEntry<Schema extends z.ZodObject, Role> extends ConnectorTraits {
  readonly config: Schema;
  readonly load: () => Promise<Role>;
  readonly describe: (config: z.output<Schema>) => string;
}

/** A source by its schema and the code that takes its output; the registry forgets that type, it is looked up by name. */
export function source<S extends z.ZodObject>(entry: TypedEntry<S, SourceConnector<z.output<S>>>) {
  return entry as unknown as RegistryEntry<SourceConnector<unknown>>;
}

/** As `source`, for sinks. */
export function sink<S extends z.ZodObject>(entry: TypedEntry<S, SinkConnector<z.output<S>>>) {
  return entry as unknown as RegistryEntry<SinkConnector<unknown>>;
}

/**
 * As `source`, for places of checkpoints. The code may ask for settings that are optional in the schema and taken from
 * the source or sink before it is called (`Completed`).
 */
export function checkpoints<S extends z.ZodObject, Completed extends z.output<S> = z.output<S>>(
  entry: TypedEntry<S, StoreConnector<OpenCheckpointStore<Completed>>>,
) {
  return entry as unknown as RegistryEntry<StoreConnector<OpenCheckpointStore<unknown>>>;
}

/** As `checkpoints`, for places of dead letters. */
export function deadLetters<S extends z.ZodObject, Completed extends z.output<S> = z.output<S>>(
  entry: TypedEntry<S, StoreConnector<OpenDeadLetterStore<Completed>>>,
) {
  return entry as unknown as RegistryEntry<StoreConnector<OpenDeadLetterStore<unknown>>>;
}

/** As `checkpoints`, for places of leases. */
export function leases<S extends z.ZodObject, Completed extends z.output<S> = z.output<S>>(
  entry: TypedEntry<S, StoreConnector<OpenLeaseStore<Completed>>>,
) {
  return entry as unknown as RegistryEntry<StoreConnector<OpenLeaseStore<unknown>>>;
}

/** As `checkpoints`, for places of learned schemas. */
export function schemas<S extends z.ZodObject, Completed extends z.output<S> = z.output<S>>(
  entry: TypedEntry<S, StoreConnector<OpenSchemaStore<Completed>>>,
) {
  return entry as unknown as RegistryEntry<StoreConnector<OpenSchemaStore<unknown>>>;
}
