import type { SinkConnector } from '../../core/connector.ts';
import { checkPlace } from './check.ts';
import type { FileSinkConfig, StdoutSinkConfig } from './config.ts';
import { openFileSink } from './sink.ts';
import { openStdoutSink } from './stream-sink.ts';

export { checkPlace } from './check.ts';
export { openFileCheckpointStore } from './checkpoint-store.ts';
export { openFileDeadLetters } from './dead-letters.ts';
export { openFileSchemaStore } from './schema-store.ts';
export { openStreamSink, type RenderEnvelope, STREAM_CLOSED, type StreamSinkOptions } from './stream-sink.ts';

/** Newline-delimited JSON, or BSON, in files. */
export const fileSink: SinkConnector<FileSinkConfig> = {
  open: openFileSink,
  check: ({ path }) => checkPlace(path, 'file'),
};

/** The lines of the file sink on standard output. */
export const stdoutSink: SinkConnector<StdoutSinkConfig> = {
  open: openStdoutSink,
  check: async () => [{ check: 'stdout', level: 'ok', message: 'records go to the standard output' }],
};
