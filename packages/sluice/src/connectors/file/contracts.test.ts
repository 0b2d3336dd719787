import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectorContext, SinkContext } from '../../core/connector.ts';
import type { Format } from '../../core/format.ts';
import { silentLogger } from '../../core/logger.ts';
import { checkpointStoreContract } from '../../testing/contracts/checkpoint-store.ts';
import { deadLetterStoreContract } from '../../testing/contracts/dead-letter-store.ts';
import { sinkContract } from '../../testing/contracts/sink.ts';
import { tempDir } from '../../testing/temp-dir.ts';
import { fileSinkConfig } from './config.ts';
import { fileSink, openFileCheckpointStore, openFileDeadLetters } from './index.ts';

const context: ConnectorContext = {
  pipeline: 'contract',
  partition: 'contract/0',
  logger: silentLogger,
  signal: new AbortController().signal,
};

checkpointStoreContract('file', async () => {
  const directory = await tempDir();
  return {
    open: () => openFileCheckpointStore({ path: join(directory.path, 'checkpoints') }, context),
    cleanup: async () => directory[Symbol.asyncDispose](),
  };
});

deadLetterStoreContract('file', async () => {
  const directory = await tempDir();
  return {
    open: () => openFileDeadLetters({ path: join(directory.path, 'dead', 'letters.ndjson') }, context),
    cleanup: async () => directory[Symbol.asyncDispose](),
  };
});

sinkContract('file', async () => {
  const directory = await tempDir();
  const path = join(directory.path, 'out', 'records.ndjson');
  const config = fileSinkConfig.parse({ path, envelope: true });
  const text = (value: unknown) => (value === null ? null : JSON.stringify(value));
  return {
    open: (format: Format) => fileSink.open(config, { ...context, format } satisfies SinkContext),
    found: async () =>
      (await readFile(path, 'utf8'))
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { key: unknown; value: unknown })
        .map(({ key, value }) => ({ key: text(key), value: text(value) })),
    cleanup: async () => directory[Symbol.asyncDispose](),
  };
});
