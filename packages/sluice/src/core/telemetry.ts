/** What the engine reports as it happens; counters and gauges come from `PipelineStatus`. */
export interface Telemetry {
  /** A batch was acknowledged: how many events and bytes it had, and how long the sink took, in seconds. */
  batch(events: number, bytes: number, seconds: number): void;
  /** A checkpoint became durable after so many seconds. */
  checkpoint(seconds: number): void;
  /** Seconds from the change at the source to its acknowledgement, sampled once per batch (its oldest event). */
  latency(seconds: number): void;
  /** An attempt failed with this error code. */
  failure(code: string): void;
  /** An event was dead-lettered with this error code. */
  deadLetter(code: string): void;
  /** The schema of a collection (`db.coll`) changed; `kind` is `collection-added`, `field-added` or `type-added`. */
  schemaChange(collection: string, kind: string): void;
}

/** Reports nowhere. */
export const noTelemetry: Telemetry = {
  batch() {},
  checkpoint() {},
  latency() {},
  failure() {},
  deadLetter() {},
  schemaChange() {},
};
