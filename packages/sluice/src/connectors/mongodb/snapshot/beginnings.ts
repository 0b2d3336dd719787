import type { ChangeEvent, Namespace } from '../../../core/change-event.ts';
import { type ClusterTime, formatClusterTime } from '../../../core/cluster-time.ts';
import { SluiceError } from '../../../core/failure.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Position } from '../../../core/position.ts';
import type { SourceBatch } from '../../../core/source.ts';
import type { MongodbSourceConfig } from '../config.ts';
import { configuredQuery } from '../match-query.ts';
import type { Scope } from '../scope.ts';
import type { StreamBatch } from './anchor.ts';
import { sizeOf } from './anchor-queue.ts';
import { logCancelled } from './log-cancelled.ts';
import { gapEvent, snapshotEnd, structureEvent } from './marker-events.ts';
import { planRecovery, planStart, type Situation } from './plan.ts';
import type { SnapshotServer } from './snapshot-server.ts';
import { asSourceState, changeState, parseState, type SnapshotState } from './snapshot-state.ts';
import type { Beginning } from './snapshot-stream.ts';
import type { StructureReader } from './structure-reader.ts';

/** Losses in a row after which copying again is no answer any more. */
const MAX_LOSSES = 3;

/** The stream has lost its position, and goes on. */
export interface Loss {
  readonly answer: 'resnapshot' | 'skip';
  /** Time of the position that was lost. */
  readonly at: ClusterTime;
  /** As of that position. */
  readonly state: SnapshotState;
  readonly cause: SluiceError;
}

/** What a stream begins from. */
export interface BeginningParts {
  readonly config: Pick<MongodbSourceConfig, 'snapshot' | 'pipeline'>;
  readonly scope: Scope;
  readonly logger: Logger;
  readonly from: { readonly position: Position; readonly sameSelection: boolean } | undefined;
  readonly loss: Loss | undefined;
}

/** Decides, once the stream is open, what is to be copied beside it. */
export class Beginnings {
  readonly #parts: BeginningParts;

  constructor(parts: BeginningParts) {
    this.#parts = parts;
  }

  /** `first` is the stream's first answer: what is listed now and is not in the stream was there before it. */
  async begin(
    first: StreamBatch,
    server: Pick<SnapshotServer, 'list'>,
    structure?: Pick<StructureReader, 'others'>,
  ): Promise<Beginning> {
    const beginning = await this.#begin(first, server);
    if (structure === undefined || beginning.state.run === undefined) return beginning;
    return this.#withOthers(beginning, first, structure);
  }

  async #begin(first: StreamBatch, server: Pick<SnapshotServer, 'list'>): Promise<Beginning> {
    const { loss } = this.#parts;
    if (loss === undefined) return { state: await this.#plan(first, server) };
    return loss.answer === 'skip' ? this.#skip(loss, first) : this.#recover(loss, first, server);
  }

  /** What is in the scope and has no rows that could be copied, with every beginning until the copy is finished. */
  async #withOthers(
    { state, prelude }: Beginning,
    first: StreamBatch,
    structure: Pick<StructureReader, 'others'>,
  ): Promise<Beginning> {
    const { from, loss, scope } = this.#parts;
    // Where the stream begins now, its first answer is an empty one.
    const position = (loss === undefined ? from?.position : undefined) ?? first.position;
    const at = { position: { ...position, state: asSourceState(state) }, atMs: Date.now() };
    const others = await structure.others(scope);
    const events = others.map(({ namespace, ...one }) => structureEvent(namespace, one, at));
    if (events.length === 0) return { state, prelude };
    return { state, prelude: preludeOf([...(prelude?.events ?? []), ...events], { position }, state) };
  }

  async #plan(first: StreamBatch, server: Pick<SnapshotServer, 'list'>): Promise<SnapshotState> {
    const { from, config, logger } = this.#parts;
    const state = parseState(from?.position.state);
    if (config.snapshot.mode === 'never' && state.revision === 0) return state;
    const resumed = from === undefined ? 'not' : from.sameSelection ? 'same-selection' : 'other-selection';
    const planned = planStart(await this.#situation({ state, resumed, first }, server));
    if (planned.run !== undefined && config.pipeline.length > 0) {
      logger.warn({}, 'the stages of source.mongodb.pipeline are for changes: rows of a snapshot come as they are');
    }
    if (planned.gap !== undefined && planned.gap !== state.gap) logCancelled(logger, planned.gap);
    if (from !== undefined && from.position.state === undefined && config.snapshot.mode !== 'never') {
      logger.info({}, 'nothing is copied: there is a checkpoint already (`sluice snapshot` copies on demand)');
    }
    return planned;
  }

  /** Collections that were dropped meanwhile are not in the copy: what is left of them at the sink is told at once. */
  async #recover(loss: Loss, first: StreamBatch, server: Pick<SnapshotServer, 'list'>): Promise<Beginning> {
    if (loss.state.losses + 1 >= MAX_LOSSES) throw lostAgain(loss);
    this.#parts.logger.warn({}, 'copying everything again, since changes are lost');
    const state = planRecovery(await this.#situation({ state: loss.state, resumed: 'same-selection', first }, server));
    const { run } = state;
    const known = [...loss.state.covered.keys(), ...(loss.state.run?.collections.keys() ?? [])];
    const gone = [...new Set(known)].filter((namespace) => run?.collections.has(namespace) === false);
    if (run === undefined || gone.length === 0) return { state };
    const at = { since: run.since, position: first.position, atMs: Date.now() };
    const events = gone.map((namespace) => snapshotEnd(namespaceOf(namespace), at));
    return { state, prelude: preludeOf(events, first, state) };
  }

  #skip({ at, state }: Loss, first: StreamBatch): Beginning {
    const gap = { from: at, to: first.position.clusterTime, atMs: Date.now() };
    const text = { from: formatClusterTime(gap.from), to: formatClusterTime(gap.to) };
    this.#parts.logger.error(text, 'changes are lost and were skipped');
    const changed = changeState(state, { gap });
    const event = gapEvent(placeOf(this.#parts.scope), gap, first.position);
    return { state: changed, prelude: preludeOf([event], first, changed) };
  }

  async #situation(
    known: { readonly first: StreamBatch } & Pick<Situation, 'state' | 'resumed'>,
    server: Pick<SnapshotServer, 'list'>,
  ): Promise<Situation> {
    const { scope, config, logger } = this.#parts;
    const { first, state, resumed } = known;
    const { collections, left } = await server.list(scope);
    const { timeSeries, capped } = left;
    if (timeSeries.length > 0) logger.warn({ timeSeries }, 'time series are neither streamed nor copied');
    if (capped.length > 0) logger.warn({ capped }, 'capped collections are streamed, but cannot be copied');
    const { mode } = config.snapshot;
    const matchOf = (namespace: string) => configuredQuery(config.snapshot.match, namespace);
    return { mode, state, resumed, collections, matchOf, now: first.position.clusterTime, nowMs: Date.now() };
  }
}

function preludeOf(
  events: readonly ChangeEvent[],
  first: Pick<StreamBatch, 'position'>,
  state: SnapshotState,
): SourceBatch {
  const position = { ...first.position, state: asSourceState(state) };
  return { events, position, bytes: sizeOf(events), caughtUp: false };
}

function namespaceOf(name: string): Namespace {
  const dot = name.indexOf('.');
  return { db: name.slice(0, dot), coll: name.slice(dot + 1) };
}

/** Where an event that is about the whole stream belongs. */
function placeOf(scope: Scope) {
  if (scope.level === 'collection') return { db: scope.db, coll: scope.coll };
  return scope.level === 'database' ? { db: scope.db, coll: '' } : { db: 'sluice', coll: 'gaps' };
}

function lostAgain({ cause }: Loss): SluiceError {
  return new SluiceError(
    `the position was lost ${MAX_LOSSES} times before a copy was finished: the oplog is too short for this pipeline`,
    {
      kind: 'position-lost',
      code: 'mongodb.position-lost-again',
      hint:
        'Make the oplog longer (replSetResizeOplog, or storage.oplogMinRetentionHours) or the sink faster, then ' +
        'remove the checkpoint to begin anew.',
      cause,
    },
  );
}
