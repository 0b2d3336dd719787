import type { OnPositionLost } from '../core/connector.ts';
import type { Secret } from '../settings/secret.ts';
import type { TransformSetting } from '../transforms/settings.ts';
import type { DecoderSetting } from './decoder-schema.ts';
import type { FormatSetting } from './format-schema.ts';
import type { ListenAddress } from './listen-address.ts';
import type { SchemaConfig } from './schema-settings.ts';

/** A connector that a pipeline uses: its name in the registry and its validated configuration. */
export interface ChosenConnector {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** One pipeline of the file, validated, with all defaults. Times are ms, sizes bytes. */
export interface PipelineConfig {
  readonly name: string;
  /** `format` is set for sources that read messages of a broker. */
  readonly source: ChosenConnector & { readonly format?: DecoderSetting | undefined };
  /** In the order of the file; empty for none. */
  readonly transforms: readonly TransformSetting[];
  readonly sink: ChosenConnector & { readonly format: FormatSetting };
  readonly checkpoint: {
    /** Undefined when the sink keeps the checkpoint together with the data. */
    readonly store: ChosenConnector | undefined;
    readonly intervalMs: number;
    readonly idleIntervalMs: number;
  };
  readonly deadLetter: ChosenConnector | undefined;
  readonly onDeadLetter: 'continue' | 'park';
  /** Lanes by document key; undefined: the sink's own choice. */
  readonly concurrency: number | undefined;
  /** Undefined when the pipeline runs without a lease. */
  readonly lease: { readonly store: ChosenConnector; readonly ttlMs: number } | undefined;
  /** Undefined when no schema is learned. */
  readonly schema: SchemaConfig | undefined;
  readonly onPositionLost: OnPositionLost;
  readonly inFlightBytes: number;
  readonly stallAfterMs: number;
  readonly drainTimeoutMs: number;
  readonly backoff: { readonly minMs: number; readonly maxMs: number };
}

/** The HTTP endpoint. */
export interface HttpConfig {
  readonly listen: ListenAddress;
  readonly token: Secret | undefined;
}

/** What is logged, and how. */
export interface LogConfig {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'auto' | 'json' | 'pretty';
}

/** A validated configuration file. */
export interface Config {
  readonly http: HttpConfig;
  readonly log: LogConfig;
  /** In the order of the file. */
  readonly pipelines: readonly PipelineConfig[];
}
