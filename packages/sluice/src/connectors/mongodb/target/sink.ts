import type { MongoClient } from 'mongodb';
import type { SinkConnector, SinkContext } from '../../../core/connector.ts';
import type { Envelope } from '../../../core/envelope.ts';
import { FailFastQueue, inOrder } from '../../../core/fail-fast-queue.ts';
import type { Sink } from '../../../core/sink.ts';
import { openMongodbCheckpointStore } from '../checkpoint-store.ts';
import { closeClient, openClient } from '../client.ts';
import { openDdl } from '../ddl/open-ddl.ts';
import { AtLeastOnce } from './at-least-once.ts';
import { BatchWriter } from './batch-writer.ts';
import { checkMongodbSink } from './check-target.ts';
import type { MongodbSinkConfig } from './config.ts';
import type { TargetDelivery } from './delivery.ts';
import { describeTarget, type TargetDeployment } from './describe-target.ts';
import { DocumentKeys } from './document-key.ts';
import { TargetNames } from './name-template.ts';
import { noTransactions } from './no-transactions.ts';
import { otherEvents } from './other-events.ts';
import { Outcomes } from './outcome.ts';
import { TargetWriter } from './target-writer.ts';
import { Transactional } from './transactional.ts';
import { bypassOf } from './validation.ts';
import { Versions } from './versions.ts';

/** The `mongodb` sink: documents as they are at the source, in lanes, or in one lane of transactions. */
export const mongodbSink: SinkConnector<MongodbSinkConfig> = { open: openMongodbSink, check: checkMongodbSink };

/** Writes at a time that are usual; more bring little against one server. */
const LANES = 4;
/** With more, transactions wait for each other in the server. */
const TRANSACTION_LANES = 2;
/** A transaction should hold no more. */
const TRANSACTION_RECORDS = 1_000;
const TRANSACTION_BYTES = 8 * 1024 * 1024;

async function openMongodbSink(config: MongodbSinkConfig, context: SinkContext): Promise<Sink> {
  await using resources = new AsyncDisposableStack();
  const { signal, logger, partition } = context;
  const client = await openClient(config, { purpose: 'state', signal });
  resources.defer(() => closeClient(client));
  const deployment = await describeTarget(client, signal);
  const delivery = await openDelivery(config, { context, client, deployment, resources });
  const names = new TargetNames(config);
  const keys = new DocumentKeys({ whole: deployment.isSharded });
  // Renames are the one change that must not be repeated late.
  const marks = { ...config.checkpoints, collection: `${config.checkpoints.collection}.renames`, partition };
  const ddl = openDdl(config.ddl, { client, logger, mapNamespace: (namespace) => names.of(namespace), marks });
  const applyDdl = (envelope: Envelope, aborted: AbortSignal) => ddl.apply(envelope, aborted);
  const applyOther = otherEvents({ names, delivery, applyDdl, logger });
  const batches = new BatchWriter({ names, keys, delivery, applyOther });
  return sinkOver(config, { delivery, batches, resources: resources.move() });
}

interface OpenParts {
  readonly context: SinkContext;
  readonly client: MongoClient;
  readonly deployment: TargetDeployment;
  /** What is opened besides the client is closed with it. */
  readonly resources: AsyncDisposableStack;
}

async function openDelivery(config: MongodbSinkConfig, parts: OpenParts): Promise<TargetDelivery> {
  const { client, context, deployment, resources } = parts;
  const writer = new TargetWriter(client, config.writeConcern, await bypassOf(config, client, context.signal));
  const outcomes = new Outcomes(config, context.logger);
  const { attempts, writeConcern } = config;
  const place = deployment.hasTransactions ? { client, writeConcern } : undefined;
  if (!usesTransactions(config)) return new AtLeastOnce({ writer, outcomes, attempts, place });
  if (place === undefined) throw noTransactions();
  const guarded = config.guard === 'version';
  if (guarded) await Versions.prepare(client, config.versions, context.signal);
  // Sluice's own collections have no validators, and the user may have fewer rights there.
  const versions = guarded ? new Versions(new TargetWriter(client, writeConcern), config.versions) : undefined;
  const checkpoints = isExactlyOnce(config) ? await openCheckpoints(config, { context, resources }) : undefined;
  return new Transactional({ place, writer, outcomes, attempts, versions, checkpoints });
}

async function openCheckpoints(
  config: MongodbSinkConfig,
  { context, resources }: Pick<OpenParts, 'context' | 'resources'>,
) {
  const { uri, tls, serverSelectionTimeout, checkpoints } = config;
  const store = await openMongodbCheckpointStore({ uri, tls, serverSelectionTimeout, ...checkpoints }, context);
  return { store: resources.use(store), ...checkpoints };
}

interface SinkParts {
  readonly delivery: TargetDelivery;
  readonly batches: BatchWriter;
  readonly resources: AsyncDisposableStack;
}

function sinkOver(config: MongodbSinkConfig, { delivery, batches, resources }: SinkParts): Sink {
  const close = () => resources.disposeAsync();
  const usual = { records: config.batchRecords, bytes: config.batchBytes };
  const limits = usesTransactions(config)
    ? {
        records: Math.min(usual.records, TRANSACTION_RECORDS),
        bytes: Math.min(usual.bytes, TRANSACTION_BYTES),
      }
    : usual;
  if (delivery.checkpoints === undefined) {
    return {
      limits: { ...limits, batchesInFlight: 1, lanes: usesTransactions(config) ? TRANSACTION_LANES : LANES },
      write: (batch, context) => batches.write(batch, context),
      [Symbol.asyncDispose]: close,
    };
  }
  const queue = new FailFastQueue();
  return {
    limits: { ...limits, batchesInFlight: 1 },
    checkpoints: inOrder(delivery.checkpoints, queue),
    write: (batch, context) => queue.run(() => batches.write(batch, context)),
    [Symbol.asyncDispose]: close,
  };
}

function isExactlyOnce({ delivery }: MongodbSinkConfig): boolean {
  return delivery === 'exactly-once';
}

function usesTransactions(config: MongodbSinkConfig): boolean {
  return isExactlyOnce(config) || config.guard === 'version';
}
