import type { MongoClient } from 'mongodb';
import type { PositionBinding } from '../../core/checkpoint.ts';
import type { ClusterTime } from '../../core/cluster-time.ts';
import type { SourceContext } from '../../core/connector.ts';
import { asSluiceError } from '../../core/failure.ts';
import type { Position } from '../../core/position.ts';
import type { Snapshots } from '../../core/snapshot.ts';
import type { ReadFrom, Source, SourceBatch, SourceGap, SourceWindow } from '../../core/source.ts';
import { ChangeStream, type ChangesFrom } from './change-stream.ts';
import { closeClient, openClient } from './client.ts';
import type { MongodbSourceConfig } from './config.ts';
import { type Deployment, describeDeployment } from './deployment.ts';
import { fingerprintOf } from './fingerprint.ts';
import { configuredQuery } from './match-query.ts';
import { type Scope, scopeIncludes, scopeOf } from './scope.ts';
import { Beginnings, type Loss } from './snapshot/beginnings.ts';
import type { SnapshotContext } from './snapshot/raw-read.ts';
import { SnapshotCommands } from './snapshot/snapshot-commands.ts';
import { SnapshotProgress } from './snapshot/snapshot-progress.ts';
import { type SnapshotServer, snapshotServer } from './snapshot/snapshot-server.ts';
import { parseState } from './snapshot/snapshot-state.ts';
import { SnapshotStream } from './snapshot/snapshot-stream.ts';
import { StructureReader } from './snapshot/structure-reader.ts';

/** Opens the source of a pipeline: connected, and sure that the deployment has change streams. */
export async function openMongodbSource(config: MongodbSourceConfig, context: SourceContext): Promise<Source> {
  const scope = scopeOf(config.include, config.exclude);
  const fingerprint = fingerprintOf(config, scope);
  const client = await openClient(config, { purpose: 'stream', signal: context.signal });
  try {
    const deployment = await describeDeployment(client, config.readPreference, context.signal);
    const binding = { deployment: deployment.identity, fingerprint };
    return new MongodbSource({ config, context, scope, client, deployment, binding });
  } catch (error) {
    await closeClient(client);
    throw error;
  }
}

interface SourceParts {
  readonly config: MongodbSourceConfig;
  readonly context: SourceContext;
  readonly scope: Scope;
  readonly client: MongoClient;
  readonly deployment: Deployment;
  readonly binding: PositionBinding;
}

/** A change stream and the snapshots beside it. */
class MongodbSource implements Source {
  readonly binding: PositionBinding;
  readonly snapshots: Snapshots;
  readonly #parts: SourceParts;
  readonly #changes: ChangeStream;
  readonly #progress = new SnapshotProgress();
  readonly #life = new AbortController();
  #stream: SnapshotStream | undefined;

  constructor(parts: SourceParts) {
    this.#parts = parts;
    this.binding = parts.binding;
    this.#changes = new ChangeStream({ ...parts, eager: () => this.#stream?.copying === true });
    this.snapshots = new SnapshotCommands({
      server: this.#server(this.#life.signal),
      scope: parts.scope,
      stream: () => this.#stream,
      progress: this.#progress,
    });
  }

  get gap(): SourceGap | undefined {
    return this.#stream?.state?.gap;
  }

  /** Goes on where the position is lost, as far as the configuration wants that. */
  async *read(from: ReadFrom | undefined, signal: AbortSignal): AsyncGenerator<SourceBatch> {
    let loss: Loss | undefined;
    // The oplog need not hold a position that nobody goes on from.
    if (from !== undefined && this.#isAllCopied(from)) {
      this.#progress.nothingToDo(Date.now());
      yield { events: [], position: from.position, bytes: 0, caughtUp: true };
      return;
    }
    while (!signal.aborted) {
      const stream = this.#open(from, loss, signal);
      this.#stream = stream;
      try {
        yield* stream.batches(signal);
        return;
      } catch (error) {
        loss = this.#lossAfter(error, stream.position, stream.state ?? loss?.state ?? parseState(from?.position.state));
      }
    }
  }

  /** With the mode `only`: a run before this one has copied everything that is selected. */
  #isAllCopied(from: ReadFrom): boolean {
    const { revision, run } = parseState(from.position.state);
    const isSame = from.binding.fingerprint === this.binding.fingerprint;
    return this.#parts.config.snapshot.mode === 'only' && isSame && revision > 0 && run === undefined;
  }

  window(signal: AbortSignal): Promise<SourceWindow | undefined> {
    return this.#changes.window(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(new DOMException('the source is closed', 'AbortError'));
    await closeClient(this.#parts.client);
  }

  #open(from: ReadFrom | undefined, loss: Loss | undefined, signal: AbortSignal): SnapshotStream {
    const { config, context, scope, deployment } = this.#parts;
    const start: ChangesFrom = loss === undefined ? from : 'now';
    const beginnings = new Beginnings({
      config,
      scope,
      loss,
      logger: context.logger,
      from: from && {
        position: from.position,
        sameSelection: from.binding.fingerprint === this.binding.fingerprint,
      },
    });
    return new SnapshotStream({
      changes: this.#changes.read(start, signal),
      connect: (halt) => this.#server(halt),
      settings: config.snapshot,
      emptyMeansAll: deployment.kind !== 'sharded',
      position: loss === undefined ? from?.position : undefined,
      // A sink that follows renames has the documents of a renamed collection, which are copied once more.
      sinkMayBeAhead: from !== undefined || loss !== undefined || config.snapshot.structure === true,
      adopt: ({ db, coll }) => {
        if (config.snapshot.mode === 'never' || !scopeIncludes(scope, db, coll)) return undefined;
        return { match: configuredQuery(config.snapshot.match, `${db}.${coll}`) };
      },
      progress: this.#progress,
      structure: config.snapshot.structure === true ? (halt) => this.#structure(halt) : undefined,
      logger: context.logger,
      begin: (first, server, structure) => beginnings.begin(first, server, structure),
      ends: config.snapshot.mode === 'only',
    });
  }

  #server(signal: AbortSignal): SnapshotServer {
    return snapshotServer(this.#reads(signal), this.#parts.config.snapshot);
  }

  #structure(signal: AbortSignal): StructureReader {
    return new StructureReader(this.#reads(signal), this.#parts.context.logger);
  }

  #reads(signal: AbortSignal): SnapshotContext {
    const { client, config, context } = this.#parts;
    const comment = `sluice ${context.partition} snapshot`;
    return { client, readPreference: config.readPreference, comment, signal };
  }

  /** How to go on after a failure; throws it when the configuration does not want to, or nothing was to be lost. */
  #lossAfter(error: unknown, position: Position | undefined, state: Loss['state']): Loss {
    const { onPositionLost } = this.#parts.context;
    const failure = asSluiceError(error);
    if (failure.kind !== 'position-lost' || onPositionLost === 'fail' || position === undefined) throw error;
    const at: ClusterTime = position.clusterTime;
    this.#parts.context.logger.error({ code: failure.code, onPositionLost }, failure.message);
    return { answer: onPositionLost, at, state, cause: failure };
  }
}
