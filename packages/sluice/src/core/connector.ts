import type { Decoder } from './broker-message.ts';
import type { CheckpointStore, PartitionId } from './checkpoint.ts';
import type { DeadLetterStore } from './dead-letter.ts';
import type { Format } from './format.ts';
import type { LearnedFields } from './learned-fields.ts';
import type { LeaseStore } from './lease.ts';
import type { Logger } from './logger.ts';
import type { SchemaStore } from './schema-store.ts';
import type { Sink } from './sink.ts';
import type { Source } from './source.ts';

/** What every connector is opened with. */
export interface ConnectorContext {
  readonly pipeline: string;
  readonly partition: PartitionId;
  readonly logger: Logger;
  /** Aborting it abandons the opening; what is already open is disposed by the connector. */
  readonly signal: AbortSignal;
}

/** What a source does when it no longer holds what comes behind the checkpoint. */
export type OnPositionLost = 'fail' | 'resnapshot' | 'skip';

/** A source also gets what the pipeline wants when the position is lost. */
export interface SourceContext extends ConnectorContext {
  readonly onPositionLost: OnPositionLost;
  /** Makes events of messages; set for sources that read a broker, as their configuration's `format` says. */
  readonly decoder?: Decoder | undefined;
}

/** A sink also gets the format its configuration names, and what the pipeline learns where the sink wants to know it. */
export interface SinkContext extends ConnectorContext {
  readonly format: Format;
  /** Set for sinks whose registry entry says `learns`. */
  readonly learned?: LearnedFields | undefined;
}

/** One finding of `sluice doctor`. */
export interface Finding {
  /** Stable and dotted, e.g. `mongodb.replica-set`. */
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'error';
  readonly message: string;
  /** What to do about it, as a command where there is one. */
  readonly fix?: string | undefined;
}

/** The code of a source connector, loaded when first needed. `C` is its validated configuration. */
export interface SourceConnector<C> {
  open(config: C, context: SourceContext): Promise<Source>;
  /** Looks at the real system; findings instead of exceptions. */
  check(config: C, context: ConnectorContext): Promise<readonly Finding[]>;
}

/** The code of a sink connector. */
export interface SinkConnector<C> {
  open(config: C, context: SinkContext): Promise<Sink>;
  check(config: C, context: ConnectorContext): Promise<readonly Finding[]>;
}

/** Opens a place for checkpoints. */
export type OpenCheckpointStore<C> = (config: C, context: ConnectorContext) => Promise<CheckpointStore>;

/** Opens a place for leases. */
export type OpenLeaseStore<C> = (config: C, context: ConnectorContext) => Promise<LeaseStore>;

/** Opens a place for learned schemas. */
export type OpenSchemaStore<C> = (config: C, context: ConnectorContext) => Promise<SchemaStore>;

/** Opens a place for dead letters. */
export type OpenDeadLetterStore<C> = (config: C, context: ConnectorContext) => Promise<DeadLetterStore>;
