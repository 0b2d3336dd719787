/** The tools whose configuration can be read. */
export const IMPORT_SOURCES = ['kafka-connect', 'nats-connector'] as const;

/** One of `IMPORT_SOURCES`. */
export type ImportSource = (typeof IMPORT_SOURCES)[number];

/** What is asked for besides the file. */
export interface ImportOptions {
  readonly brokers?: string | undefined;
  /** File with the settings of the worker. */
  readonly worker?: string | undefined;
  /** No other system is asked. */
  readonly offline?: boolean | undefined;
}
