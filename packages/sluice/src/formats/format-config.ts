/** The shape of a record: which parts of a change event its value holds. */
export type FormatName = 'change' | 'document' | 'debezium' | 'cloudevents' | 'kafka-connect' | 'nats-connector';

/**
 * How BSON values are written. `relaxed` and `canonical` are Extended JSON v2 with every digit of an int64; they keep
 * every type (relaxed: except which of the integer types it was). `bson` is the bytes as the server sent them.
 *
 * `plain` is JSON for readers that do not know BSON, and loses types: ObjectId is hex text, Date ISO text (outside the
 * years 0 to 9999 its milliseconds), Decimal128 and Symbol are text, Binary is base64 text (a UUID its usual form),
 * NaN, Infinity and undefined are null. What JSON has no idea of (Timestamp, regular expressions, code, DBPointer,
 * MinKey, MaxKey) stays Extended JSON.
 */
export type Encoding = 'plain' | 'relaxed' | 'canonical' | 'bson';

/** Where records say they come from. */
export interface FormatIdentity {
  /** Name of the source deployment, e.g. its replica set: CloudEvents' `source`. */
  readonly cluster: string;
  /** Logical name of the connector, e.g. of the pipeline: Debezium's `source.name`. */
  readonly connector: string;
  /** Version of this program: Debezium's `source.version`. */
  readonly version: string;
}

/** Settings that only the `debezium` format has. */
export interface DebeziumOptions {
  /**
   * Extended JSON inside `before`, `after` and `lsid`: `legacy` (v1 strict, Debezium's default), `relaxed` or
   * `canonical` (v2; Debezium calls it `extended`). Default `legacy`.
   */
  readonly documents?: 'legacy' | 'relaxed' | 'canonical' | undefined;
  /** A delete is followed by a null record with the same key. Default true. */
  readonly tombstones?: boolean | undefined;
}

/** Settings that only the `kafka-connect` format has. */
export interface KafkaConnectOptions {
  /** What the connector's JSON formatters write: `legacy` (DefaultJson), `canonical` (ExtendedJson), `simplified`. */
  readonly json: 'legacy' | 'canonical' | 'simplified';
  /** The event, or only its document. */
  readonly value: 'change' | 'document';
  /** With `document`: a delete is a null value; otherwise it has no form. */
  readonly tombstones: boolean;
  /** The document key, or the resume token of the event. */
  readonly key: 'document' | 'token';
}

/** Settings that only the `document` format has. */
export interface DocumentOptions {
  /**
   * What becomes of an update whose document the server looked up and did not find. `reject` (default): a dead
   * letter. `skip`: nothing; right with `updateLookup`, where it means that a delete of the document follows.
   */
  readonly whenGone?: 'reject' | 'skip' | undefined;
}

/** Everything a format is made from. */
export interface FormatConfig {
  readonly name: FormatName;
  /** Ignored by `debezium`, `kafka-connect` and `nats-connector`, which have encodings of their own. `bson` only goes with `change`, `document` and `cloudevents`. */
  readonly json: Encoding;
  /** Default `structured`: one JSON envelope. `binary`: the attributes become headers, the data the value. */
  readonly cloudeventsMode?: 'structured' | 'binary' | undefined;
  readonly debezium?: DebeziumOptions | undefined;
  readonly document?: DocumentOptions | undefined;
  readonly kafkaConnect?: KafkaConnectOptions | undefined;
  readonly identity: FormatIdentity;
}
