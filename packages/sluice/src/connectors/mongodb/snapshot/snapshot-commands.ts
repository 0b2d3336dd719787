import { SluiceError } from '../../../core/failure.ts';
import type { SnapshotAnswer, SnapshotCommand, SnapshotStatus, Snapshots } from '../../../core/snapshot.ts';
import { canonicalQuery, matchProblem } from '../match-query.ts';
import { GlobError } from '../namespace-glob.ts';
import { type Scope, scopeIncludes, scopeOf } from '../scope.ts';
import { planOnDemand } from './plan.ts';
import type { SnapshotProgress } from './snapshot-progress.ts';
import type { SnapshotServer } from './snapshot-server.ts';
import type { SnapshotState } from './snapshot-state.ts';
import { changeState } from './snapshot-state.ts';
import type { SnapshotStream } from './snapshot-stream.ts';

/** What commands work on. */
export interface CommandParts {
  readonly server: Pick<SnapshotServer, 'list' | 'tryQuery'>;
  /** What the pipeline streams. */
  readonly scope: Scope;
  readonly stream: () => SnapshotStream | undefined;
  readonly progress: SnapshotProgress;
}

/** Lets an operator start, pause, resume and cancel snapshots of the stream that runs. */
export class SnapshotCommands implements Snapshots {
  readonly #parts: CommandParts;

  constructor(parts: CommandParts) {
    this.#parts = parts;
  }

  status(nowMs: number): SnapshotStatus | undefined {
    const stream = this.#parts.stream();
    return stream === undefined ? this.#parts.progress.status(undefined, nowMs) : stream.status(nowMs);
  }

  async command(command: SnapshotCommand): Promise<SnapshotAnswer> {
    if (command.action === 'start') return this.#start(command);
    const { action } = command;
    return this.#change((state, stream) => {
      const { run } = state;
      if (run === undefined) throw nothingRuns(action);
      if (action === 'cancel') return stream.cancelled(state);
      return changeState(state, { run: { ...run, paused: action === 'pause' } });
    });
  }

  async #start({ collections: patterns, match }: SnapshotCommand & { action: 'start' }): Promise<SnapshotAnswer> {
    const query = match === undefined ? undefined : canonical(match);
    const { scope, server } = this.#parts;
    const wanted = patterns.length === 0 ? scope : parsed(patterns);
    const { collections, left } = await server.list(wanted);
    const listed = collections.filter(({ db, coll }) => scopeIncludes(scope, db, coll));
    const [first] = listed;
    if (first === undefined) throw nothingMatches(patterns, left.capped);
    if (query !== undefined) await server.tryQuery(first, query);
    return this.#change((state, stream) => {
      if (state.run !== undefined) throw alreadyRuns();
      const now = stream.position?.clusterTime;
      if (now === undefined) throw notBegun();
      const situation = { mode: 'never', state, resumed: 'same-selection', collections: listed } as const;
      return planOnDemand({ ...situation, matchOf: () => query, now, nowMs: Date.now() });
    });
  }

  #change(change: (state: SnapshotState, stream: SnapshotStream) => SnapshotState): SnapshotAnswer {
    const stream = this.#parts.stream();
    if (stream?.state === undefined) throw notBegun();
    const { revision } = stream.update((state) => change(state, stream));
    const status = stream.status(Date.now());
    if (status === undefined) throw notBegun();
    return { revision, status };
  }
}

function canonical(match: string): string {
  const query = parsedQuery(match);
  const problem = matchProblem(query);
  if (problem !== undefined) throw badMatch(problem);
  return canonicalQuery(query as object);
}

function parsedQuery(match: string): unknown {
  try {
    return JSON.parse(match);
  } catch (cause) {
    throw badMatch((cause as Error).message);
  }
}

function badMatch(why: string): SluiceError {
  return new SluiceError(`the filter is not a query in Extended JSON: ${why}`, {
    kind: 'config',
    code: 'snapshot.bad-match',
    hint: 'Write it as in mongosh, with quoted names: {"status": "open"}.',
  });
}

function parsed(patterns: readonly string[]): Scope {
  try {
    return scopeOf(patterns, []);
  } catch (error) {
    if (!(error instanceof GlobError)) throw error;
    const text = `one of the patterns ${patterns.map((pattern) => `"${pattern}"`).join(', ')} ${error.message}`;
    throw new SluiceError(text, { kind: 'config', code: 'snapshot.bad-pattern' });
  }
}

function nothingMatches(patterns: readonly string[], capped: readonly string[]): SluiceError {
  if (capped.length > 0) {
    return new SluiceError(`there is no collection to copy: the server cannot read ${capped.join(', ')} at a time`, {
      kind: 'config',
      code: 'snapshot.nothing-matches',
      hint: 'Capped collections are streamed, but cannot be copied.',
    });
  }
  const which = patterns.length === 0 ? 'the pipeline' : patterns.join(', ');
  return new SluiceError(`there is no collection to copy: ${which} covers none that the pipeline streams`, {
    kind: 'config',
    code: 'snapshot.nothing-matches',
    hint: 'Patterns are over database.collection, and only what the pipeline includes can be copied.',
  });
}

function alreadyRuns(): SluiceError {
  return new SluiceError('a snapshot is under way already', {
    kind: 'config',
    code: 'snapshot.running',
    hint: 'Wait until it is completed, or cancel it.',
  });
}

function nothingRuns(action: string): SluiceError {
  return new SluiceError(`there is no snapshot to ${action}`, { kind: 'config', code: 'snapshot.not-running' });
}

function notBegun(): SluiceError {
  return new SluiceError('the stream has not begun yet', {
    kind: 'transient',
    code: 'snapshot.not-begun',
    hint: 'Try again in a moment.',
  });
}
