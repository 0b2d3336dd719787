/** What is stored about one collection. */
export interface StoredSchema {
  /** `db.coll`. */
  readonly collection: string;
  /** Number of times that it was replaced; 0 when nothing is stored. */
  readonly revision: number;
  readonly text: string;
}

/**
 * Where the learned schemas of pipelines live, one text per collection. Several processes may write at the same time:
 * each reads, merges and replaces, and does so again when another one was faster. Failures are classified.
 */
export interface SchemaStore extends AsyncDisposable {
  /** Everything that is stored of the pipeline. */
  load(pipeline: string, signal: AbortSignal): Promise<readonly StoredSchema[]>;
  /** What is stored of one collection; undefined when there is nothing. */
  read(pipeline: string, collection: string, signal: AbortSignal): Promise<StoredSchema | undefined>;
  /**
   * Puts `text` in the place of the revision that it was made from (0: of nothing); durable when it resolves. False, and
   * nothing is changed, when that is no longer the last one.
   */
  replace(pipeline: string, schema: StoredSchema, signal: AbortSignal): Promise<boolean>;
}
