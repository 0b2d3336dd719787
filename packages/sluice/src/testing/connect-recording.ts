import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** What a connector wrote for some writes, and the change events of the same writes as the server sent them. */
export interface ConnectRecording {
  /** Releases that were run. */
  readonly versions: Readonly<Record<string, string>>;
  readonly replicaSet: string;
  readonly cases: readonly RecordedCase[];
}

/** One configuration of a connector. */
export interface RecordedCase {
  readonly name: string;
  /** The connector's settings; the address of the server is left out. */
  readonly config: Readonly<Record<string, string>>;
  /** The documents that were there before it started (BSON, base64), by namespace in the order of the snapshot. */
  readonly before: readonly { readonly ns: string; readonly document: string }[];
  /** Change events (BSON, base64) of the same stream with the options of the connector. */
  readonly events: readonly string[];
  /** Everything it wrote, in the order of the topic. Keys and values are text; null is a tombstone. */
  readonly records: readonly RecordedRecord[];
}

/** One record of a topic with a single partition. */
export interface RecordedRecord {
  readonly topic: string;
  readonly key: string | null;
  readonly value: string | null;
}

/** The case whose events the Go driver writes too. */
export const GO_BODIES_CASE = 'd-images';

/** These events as MongoDB's Go driver writes them (relaxed Extended JSON), one a line. */
export const GO_BODIES_FILE = resolve(import.meta.dirname, '../formats/golden/go-bodies.jsonl');

/** Where the recording is kept; `scripts/record-connect-outputs.ts` makes it. */
export const RECORDING_FILE = resolve(import.meta.dirname, '../formats/golden/connect-recording.json.gz');

/** The recording that is part of the repository. */
export function readConnectRecording(): ConnectRecording {
  return JSON.parse(gunzipSync(readFileSync(RECORDING_FILE)).toString()) as ConnectRecording;
}
