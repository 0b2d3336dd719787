import { readFileSync } from 'node:fs';
import { SluiceError } from '../core/failure.ts';
import type { ImportResult, ImportTarget } from '../importers/import-result.ts';
import { type Invocation, usageError } from './action.ts';
import type { ImportOptions, ImportSource } from './import-options.ts';

const NATS_FILE = 'connector.yaml';

/** Imports the file of another tool; its secrets are hidden from everything the command prints. */
export async function readImport(
  invocation: Invocation<ImportOptions>,
  source: ImportSource,
  file: string | undefined,
): Promise<ImportResult> {
  const result = await (source === 'kafka-connect' ? kafkaConnect(invocation, file) : natsConnector(invocation, file));
  invocation.hide(Object.values(result.secrets).map((secret) => secret.reveal()));
  return result;
}

async function kafkaConnect({ options }: Invocation<ImportOptions>, file: string | undefined): Promise<ImportResult> {
  if (file === undefined) throw usageError('the file of the connector is missing', 'sluice import kafka-connect FILE');
  const { importKafkaConnect } = await import('../importers/kafka-connect.ts');
  const brokers = options.brokers?.split(',').map((broker) => broker.trim());
  const worker = options.worker === undefined ? undefined : readText(options.worker);
  return importKafkaConnect(readText(file), { target: await target(), brokers, worker });
}

async function natsConnector(invocation: Invocation<ImportOptions>, file: string | undefined): Promise<ImportResult> {
  const { env } = invocation;
  const { importNatsConnector } = await import('../importers/nats-connector.ts');
  const named = file ?? (env['CONFIG_FILE'] || undefined);
  const text = readText(named ?? NATS_FILE, named === undefined && env['MONGO_WATCH_COLLECTIONS'] !== undefined);
  if (invocation.options.offline === true) return importNatsConnector(text, { env });
  const { readNewestToken } = await import('../connectors/mongodb/newest-token.ts');
  const signal = AbortSignal.timeout(TOKEN_LIMIT_MS);
  return importNatsConnector(text, { env, readToken: (uri, place) => readNewestToken(uri, place, signal) });
}

/** How long to look for the tokens of all collections. */
const TOKEN_LIMIT_MS = 30_000;

/** What the schema says about parts of a configuration. */
async function target(): Promise<ImportTarget> {
  const { mongodbSourceConfig } = await import('../connectors/mongodb/config.ts');
  return {
    pipelineProblem(stages) {
      const { error } = mongodbSourceConfig.shape.pipeline.safeParse(stages);
      return error?.issues[0]?.message;
    },
  };
}

function readText(file: string, mayBeMissing = false): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown reason';
    if (mayBeMissing && code === 'ENOENT') return '';
    const hint = 'check the path, and that this user may read the file';
    throw new SluiceError(`${file} cannot be read (${code})`, { kind: 'config', code: 'import.unreadable', hint });
  }
}
