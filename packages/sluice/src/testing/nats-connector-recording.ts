import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** What mongodb-nats-connector did with some writes, and the change events of the same writes as the server sent them. */
export interface NatsConnectorRecording {
  /** The release that was run. */
  readonly version: string;
  /** Its file; the addresses were given in the environment. */
  readonly file: string;
  readonly health: { readonly status: number; readonly contentType: string; readonly body: string };
  readonly collections: readonly RecordedCollection[];
}

/** One collection that it watched. */
export interface RecordedCollection {
  readonly namespace: string;
  readonly stream: string;
  /** Configuration of the stream that it made. */
  readonly streamConfig: Readonly<Record<string, unknown>>;
  /** Change events (BSON, base64). */
  readonly events: readonly string[];
  /** Everything in the stream, in its order. */
  readonly messages: readonly RecordedMessage[];
  /** The token that it saved last, as a document in Extended JSON. */
  readonly lastToken: string;
}

/** One message. */
export interface RecordedMessage {
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Where the recording is kept; `scripts/record-nats-connector-outputs.ts` makes it. */
export const NATS_CONNECTOR_RECORDING_FILE = resolve(
  import.meta.dirname,
  '../formats/golden/nats-connector-recording.json.gz',
);

/** The recording that is part of the repository. */
export function readNatsConnectorRecording(): NatsConnectorRecording {
  return JSON.parse(gunzipSync(readFileSync(NATS_CONNECTOR_RECORDING_FILE)).toString()) as NatsConnectorRecording;
}
