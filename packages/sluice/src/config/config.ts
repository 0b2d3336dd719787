import type { OnPositionLost } from '../core/connector.ts';
import type { Secret } from '../settings/secret.ts';
import type { FormatSetting } from './format-schema.ts';
import type { ListenAddress } from './listen-address.ts';

/** A connector that a pipeline uses: its name in the registry and its validated configuration. */
export interface ChosenConnector {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** One pipeline of the file, validated, with all defaults. Times are ms, sizes bytes. */
export interface PipelineConfig {
  readonly name: string;
  readonly source: ChosenConnector;
  readonly sink: ChosenConnector & { readonly format: FormatSetting };
  readonly checkpoint: {
    /** Undefined when the sink keeps the checkpoint together with the data. */
    readonly store: ChosenConnector | undefined;
    readonly intervalMs: number;
    readonly idleIntervalMs: number;
  };
  readonly deadLetter: ChosenConnector | undefined;
  /** Undefined when the pipeline runs without a lease. */
  readonly lease: { readonly store: ChosenConnector; readonly ttlMs: number } | undefined;
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
