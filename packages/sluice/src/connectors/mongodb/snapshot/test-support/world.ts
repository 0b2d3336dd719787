import type { ChangeEvent } from '../../../../core/change-event.ts';
import type { ClusterTime } from '../../../../core/cluster-time.ts';
import type { Position } from '../../../../core/position.ts';
import { timeBefore } from '../anchor.ts';
import { type Listed, planOnDemand, planRecovery, planStart, type Situation } from '../plan.ts';
import type { SnapshotState } from '../snapshot-state.ts';
import { LogReader, type PassedCopy, Violation } from './check-log.ts';
import type { Random } from './dice.ts';
import { KEY_COUNT } from './model-keys.ts';
import { highWater, ModelServer, nameOf, namespaceOf, OUTSIDE } from './model-server.ts';
import { fill, type Playground, writeSomething } from './model-writes.ts';
import { SinkDocuments } from './sink-documents.ts';

/** Why documents are copied in a run. */
export type Story = 'initial' | 'initial-and-on-demand' | 'only-on-demand' | 'position-lost';

const STORIES: readonly Story[] = ['initial', 'initial', 'initial-and-on-demand', 'only-on-demand', 'position-lost'];

/** A server that is written to, a sink that is to hold the same, and what is to be copied. */
export class World {
  readonly server = new ModelServer();
  /** Whether it is a sharded cluster. */
  readonly sharded: boolean;
  /** Where the stream begins. */
  readonly start: Position;
  readonly #random: Random;
  readonly #ground: Playground;
  readonly #story: Story;
  readonly #documents = new SinkDocuments();
  #held = new Set<string>();
  #passed: PassedCopy | undefined;
  #quiet = false;

  constructor(random: Random) {
    this.#random = random;
    this.#story = random.pick(STORIES);
    this.sharded = random.chance(0.3);
    const collections = ['a', 'b', 'c'].slice(0, 1 + random.int(3));
    // Without a copy from the start, documents that come with a renamed collection are never given.
    const renames = this.#story !== 'only-on-demand';
    const keys = Array.from({ length: KEY_COUNT }, (_, key) => key).filter(() => random.chance(0.5));
    const ddl = random.pick([0, 0, 0.03, 0.1]);
    this.#ground = { collections, keys: keys.length === 0 ? [3, 9] : keys, ddl, renames };
    fill(this.server, this.#ground, random);
    if (this.#story === 'position-lost') this.#loseChanges();
    this.start = highWater(random.chance(0.5) ? this.server.now : timeBefore(this.server.now));
  }

  /** Whether somebody will ask for a copy. */
  get isOnDemand(): boolean {
    return this.#story === 'initial-and-on-demand' || this.#story === 'only-on-demand';
  }

  /** The server is written to, or time passes while it is quiet. */
  write(): void {
    if (this.#random.chance(0.05)) this.#quiet = !this.#quiet;
    if (this.#quiet) this.server.tick(1);
    else writeSomething(this.server, this.#ground, this.#random);
  }

  /** What is to be copied, when the stream has begun at `now`. */
  plan(state: SnapshotState, resumed: Situation['resumed'], now: ClusterTime): SnapshotState {
    const situation = this.#situation(state, resumed, now);
    if (resumed === 'not' && this.#story === 'position-lost') {
      this.#passed = passedCopy(situation, 0, '');
      return planRecovery({ ...situation, now: this.start.clusterTime });
    }
    if (resumed === 'not' && this.#mode === 'initial') {
      this.#held = new Set(situation.collections.map(({ coll }) => coll));
    }
    return planStart(situation);
  }

  /** Somebody asks for a copy, when so many events have been given, up to a position. */
  planOnDemand(state: SnapshotState, length: number, { token, clusterTime }: Position): SnapshotState {
    const situation = this.#situation(state, 'same-selection', clusterTime);
    this.#passed = passedCopy(situation, length, token);
    return planOnDemand(situation);
  }

  /** A crash came before the command was remembered. */
  forgetOnDemand(): void {
    this.#passed = undefined;
  }

  /** What the sink was given so far keeps every promise. */
  checkSoFar(given: readonly ChangeEvent[]): LogReader {
    const reader = new LogReader(this.server, { startToken: this.start.token, held: this.#held, passed: this.#passed });
    reader.read(given);
    return reader;
  }

  /** At the end the sink was given everything, holds what the server holds, and the source remembers what it copied. */
  checkEnd(given: readonly ChangeEvent[], { covered }: SnapshotState): void {
    const reader = this.checkSoFar(given);
    reader.finish();
    for (const coll of reader.copied) {
      if (!covered.has(nameOf(coll))) throw new Violation(`${coll} is not covered at the end`);
    }
    for (const event of given) this.#documents.apply(event);
    for (const coll of this.#ground.collections) this.#compare(coll);
  }

  get #mode(): Situation['mode'] {
    return this.#story === 'only-on-demand' ? 'never' : 'initial';
  }

  #situation(state: SnapshotState, resumed: Situation['resumed'], now: ClusterTime): Situation {
    const names = this.server.collections().filter((coll) => coll !== OUTSIDE);
    const collections = names.map(listed);
    return { mode: this.#mode, state, resumed, collections, matchOf: () => undefined, now, nowMs: 0 };
  }

  /** The sink has what is there now; what happens next will never be streamed. */
  #loseChanges(): void {
    const { now } = this.server;
    for (const coll of this.#ground.collections) {
      for (const key of this.server.keysAt(coll, now)) {
        const document = this.server.documentAt(coll, key, now);
        if (document !== undefined) this.#documents.put(coll, key, document, now);
      }
    }
    for (let count = this.#random.int(20); count > 0; count--) {
      writeSomething(this.server, { ...this.#ground, ddl: 0 }, this.#random);
    }
    this.server.tick(2);
  }

  #compare(coll: string): void {
    const { now } = this.server;
    for (const key of new Set([...this.server.keysAt(coll, now), ...this.#documents.keys(coll)])) {
      const expected = this.server.documentAt(coll, key, now);
      const actual = this.#documents.get(coll, key);
      const isEqual = expected === undefined ? actual === undefined : actual !== undefined && expected.equals(actual);
      if (!isEqual) throw new Violation(`${coll}/${key}: the sink does not hold what the server holds at the end`);
    }
  }
}

function passedCopy({ collections }: Situation, length: number, token: string): PassedCopy {
  return { collections: collections.map(({ coll }) => coll), length, token };
}

function listed(coll: string): Listed {
  return { ...namespaceOf(coll), kind: 'ordinary', uuid: undefined, collation: undefined, estimatedRows: undefined };
}
