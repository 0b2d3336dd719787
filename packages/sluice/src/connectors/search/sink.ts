import { isDataOperation } from '../../core/change-event.ts';
import type { SinkContext } from '../../core/connector.ts';
import { dataRuns } from '../../core/data-runs.ts';
import type { Envelope } from '../../core/envelope.ts';
import { FirstFailure } from '../../core/first-failure.ts';
import type { Sink, SinkLimits, WriteContext, WriteResult } from '../../core/sink.ts';
import { BulkPipelines } from './bulk-pipelines.ts';
import { BulkWriter } from './bulk-writer.ts';
import { openSearchClient, type SearchClient } from './client.ts';
import type { SearchSinkConfig } from './config.ts';
import { IndexNames } from './index-name.ts';
import { Indexes } from './indexes.ts';
import { OtherEvents } from './other-events.ts';
import { Routing } from './routing.ts';
import { StateWriter } from './state-writer.ts';
import { TargetIndexes } from './target-indexes.ts';
import { gone, TombstonePurge } from './tombstones.ts';

/** Bulk requests at a time that are usual; a cluster with many cores takes more. */
const LANES = 4;

/** Opens the sink. Connects, but makes and changes no index before the first write. */
export async function openSearchSink(config: SearchSinkConfig, context: SinkContext): Promise<Sink> {
  await using resources = new AsyncDisposableStack();
  const { logger, learned, signal } = context;
  const client = resources.use(await openSearchClient(config, signal));
  const targets = new TargetIndexes(new IndexNames(config.index));
  const indexes = new Indexes({ client, config, learned, logger });
  const writer = openWriter(config, { client, indexes, targets, context });
  const routing = config.routing === undefined ? undefined : new Routing(config.routing);
  const { mode, keepTombstones } = config.deletes;
  if (mode === 'tombstone') {
    const keepMs = keepTombstones;
    resources.use(new TombstonePurge({ client, writer, logger, keepMs }, () => targets.all()));
  }
  return new SearchSink({
    limits: { records: config.batchRecords, bytes: config.batchBytes, batchesInFlight: 1, lanes: LANES },
    states: new StateWriter({ config, targets, indexes, writer, routing }),
    others: new OtherEvents({ client, writer, logger, mode, config, targets, indexes }),
    resources: resources.move(),
  });
}

interface WriterParts {
  readonly client: SearchClient;
  readonly indexes: Indexes;
  readonly targets: TargetIndexes;
  readonly context: SinkContext;
}

function openWriter(config: SearchSinkConfig, { client, indexes, targets, context }: WriterParts): BulkWriter {
  return new BulkWriter({
    client,
    logger: context.logger,
    bytes: config.batchBytes,
    idField: config.idField,
    pipeline: config.pipeline,
    refresh: config.refresh,
    retries: config.retries,
    pipelines: new BulkPipelines(client, config.pipeline),
    end: () => gone(config.deletes.mode),
    restore: async (index, signal) => {
      const target = targets.known(index);
      context.logger.warn({ index }, 'the index was removed while it was written to: copy what it held again');
      indexes.forget(index);
      if (target !== undefined) await indexes.prepare(index, target.namespace, target.source, signal);
    },
  });
}

interface SinkParts {
  readonly limits: SinkLimits;
  readonly states: StateWriter;
  readonly others: OtherEvents;
  readonly resources: AsyncDisposableStack;
}

class SearchSink implements Sink {
  readonly limits: SinkLimits;
  readonly #parts: SinkParts;
  readonly #failures = new FirstFailure();

  constructor(parts: SinkParts) {
    this.#parts = parts;
    this.limits = parts.limits;
  }

  write(batch: readonly Envelope[], context: WriteContext): Promise<WriteResult> {
    return this.#failures.unlessFailed(context.signal, () => this.#write(batch, context));
  }

  async #write(batch: readonly Envelope[], context: WriteContext): Promise<WriteResult> {
    let delivered = 0;
    let filtered = 0;
    for (const part of dataRuns(batch)) {
      const [first] = part;
      if (first !== undefined && !isDataOperation(first.event.op)) {
        const outcome = await this.#parts.others.apply(first, context);
        if (outcome === 'applied') delivered += 1;
        else if (outcome === 'ignored') filtered += 1;
        continue;
      }
      const result = await this.#parts.states.write(part, context);
      delivered += result.delivered;
      filtered += result.filtered;
    }
    return { delivered, filtered };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.resources.disposeAsync();
  }
}
