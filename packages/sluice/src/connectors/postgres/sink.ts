import type { SinkConnector, SinkContext } from '../../core/connector.ts';
import { FailFastQueue, inOrder } from '../../core/fail-fast-queue.ts';
import type { Sink } from '../../core/sink.ts';
import { checkPostgresSink } from './check.ts';
import { TargetCheckpoints } from './checkpoint-store.ts';
import { Collections } from './collections.ts';
import type { PostgresSinkConfig } from './config.ts';
import { DeleteLog } from './delete-log.ts';
import { DocumentJson } from './document-json.ts';
import { TargetNames } from './names.ts';
import { otherEvents } from './other-events.ts';
import { Sessions } from './sessions.ts';
import { StateTables } from './state-tables.ts';
import { TableGates } from './table-gates.ts';
import { Tables } from './tables.ts';
import { BatchWriter } from './write-batch.ts';

/** The `postgres` sink: a table per collection, in lanes, or in one lane with the checkpoint in each transaction. */
export const postgresSink: SinkConnector<PostgresSinkConfig> = { open: openPostgresSink, check: checkPostgresSink };

/** Writes at a time that are usual; more bring little against one server. */
const LANES = 4;

async function openPostgresSink(config: PostgresSinkConfig, context: SinkContext): Promise<Sink> {
  await using resources = new AsyncDisposableStack();
  const { signal } = context;
  const sessions = resources.use(new Sessions(config));
  const state = new StateTables(config.stateSchema);
  await sessions.use(signal, (session) => state.prepare(session, signal));
  const checkpoints = config.delivery === 'exactly-once' ? new TargetCheckpoints(sessions, state) : undefined;
  const batches = batchWriter(config, { context, sessions, state, checkpoints });
  return sinkOver(config, { batches, checkpoints, resources: resources.move() });
}

interface WriterParts {
  readonly context: SinkContext;
  readonly sessions: Sessions;
  readonly state: StateTables;
  readonly checkpoints: TargetCheckpoints | undefined;
}

function batchWriter(config: PostgresSinkConfig, { context, sessions, state, checkpoints }: WriterParts): BatchWriter {
  const { logger, learned } = context;
  const names = new TargetNames(config);
  const gates = new TableGates();
  const tables = new Tables({ state, names, columns: config, gates, logger });
  const collections = new Collections({ tables, names, state, learned, logger });
  const applyOther = otherEvents({ config, names, sessions, state, tables, collections, checkpoints, logger });
  const log = new DeleteLog(state, config.keepDeleted, Date.now);
  const json = new DocumentJson(config, logger);
  return new BatchWriter({ config, sessions, names, json, collections, gates, applyOther, checkpoints, log });
}

interface SinkParts {
  readonly batches: BatchWriter;
  readonly checkpoints: TargetCheckpoints | undefined;
  readonly resources: AsyncDisposableStack;
}

function sinkOver(config: PostgresSinkConfig, { batches, checkpoints, resources }: SinkParts): Sink {
  const close = () => resources.disposeAsync();
  const limits = { records: config.batchRecords, bytes: config.batchBytes };
  if (checkpoints === undefined) {
    return {
      limits: { ...limits, batchesInFlight: 1, lanes: LANES },
      write: async (batch, context) => await batches.write(batches.prepare(batch), context),
      [Symbol.asyncDispose]: close,
    };
  }
  const queue = new FailFastQueue();
  return {
    // The second is prepared while the first is written.
    limits: { ...limits, batchesInFlight: 2 },
    checkpoints: inOrder(checkpoints, queue),
    async write(batch, context) {
      const prepared = batches.prepare(batch);
      return await queue.run(() => batches.write(prepared, context));
    },
    [Symbol.asyncDispose]: close,
  };
}
