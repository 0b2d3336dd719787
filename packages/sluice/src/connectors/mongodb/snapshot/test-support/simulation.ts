import { compareClusterTime } from '../../../../core/cluster-time.ts';
import { comparePositions, type Position } from '../../../../core/position.ts';
import type { ChunkRead } from '../aligner.ts';
import type { Situation } from '../plan.ts';
import {
  changeCopy,
  changeState,
  type Interval,
  NO_SNAPSHOTS,
  parseState,
  type SnapshotState,
} from '../snapshot-state.ts';
import { Violation } from './check-log.ts';
import type { Random } from './dice.ts';
import { formsOf, KEY_COUNT } from './model-keys.ts';
import { OUTSIDE } from './model-server.ts';
import { ModelStream } from './model-stream.ts';
import { type AlignerPort, type Rig, soundRig } from './rig.ts';
import { SinkLog } from './sink-log.ts';
import { World } from './world.ts';

const MAX_ROUNDS = 3_000;

/** How often things have happened, so that a test can tell that they did. */
export interface Tally {
  changes: number;
  rows: number;
  crashes: number;
  crashesInsideBatch: number;
  failedReads: number;
  /** Reads that were started while one of an earlier time was under way. */
  readsAhead: number;
}

/** Runs one random interleaving to its end. Throws `Violation` when a promise to the sink is broken. */
export function simulate(random: Random, rig: Rig = soundRig): Tally {
  const simulation = new Simulation(random, rig);
  for (let steps = 40 + random.int(120); steps > 0; steps--) simulation.step();
  return simulation.finish();
}

/** A read that is under way. */
interface Reading {
  readonly read: ChunkRead;
  readonly maxRows: number;
}

class Simulation {
  readonly #random: Random;
  readonly #rig: Rig;
  readonly #world: World;
  readonly #log: SinkLog;
  readonly #tally = { crashes: 0, crashesInsideBatch: 0, failedReads: 0, readsAhead: 0 };
  #stream!: ModelStream;
  #aligner!: AlignerPort;
  #parallelism = 1;
  #reading: Reading[] = [];
  #handedOut: Position | undefined;
  /** Revision of the state that includes the command to copy; undefined before it was given. */
  #commanded: number | undefined;

  constructor(random: Random, rig: Rig) {
    this.#random = random;
    this.#rig = rig;
    this.#world = new World(random);
    this.#log = new SinkLog(rig.positionBehind);
    this.#begin();
  }

  /** Something happens. */
  step(): void {
    const dice = this.#random.int(100);
    if (dice < 30) this.#world.write();
    else if (dice < 50) this.#receive();
    else if (dice < 65) this.#startReads();
    else if (dice < 75) this.#endRead();
    else if (dice < 93) this.#handOut();
    else if (dice < 95) this.#pause(this.#random.chance(0.3));
    else if (dice < 97) this.#command();
    else if (dice < 98) this.#acknowledge();
    else this.#crash();
  }

  /** Nothing is written any more; everything goes on until it has come to its end. Then the end is checked. */
  finish(): Tally {
    for (let round = 0; !this.#isDone(); round++) {
      if (round === MAX_ROUNDS) throw new Violation(`the run does not end: ${this.#aligner.state.run?.reason}`);
      this.#command();
      this.#pause(false);
      if (this.#random.chance(0.3)) this.#world.server.tick(1);
      this.#receive();
      this.#startReads();
      if (this.#random.chance(0.7)) this.#endRead();
      while (this.#random.chance(0.8) && this.#handOut());
    }
    const { events } = this.#log;
    this.#world.checkEnd(events, this.#aligner.state);
    const rows = events.filter(({ op }) => op === 'snapshot').length;
    return { ...this.#tally, changes: this.#world.server.changes.length, rows };
  }

  /** The stream is opened for the first time. */
  #begin(): void {
    const { start } = this.#world;
    this.#open(start, this.#random.chance(0.5) ? start : undefined, NO_SNAPSHOTS, 'not');
  }

  #open(from: Position, position: Position | undefined, state: SnapshotState, resumed: Situation['resumed']): void {
    const random = this.#random;
    const { server, sharded } = this.#world;
    this.#stream = new ModelStream(server, from, sharded, random);
    const first = this.#stream.answer();
    if (random.chance(0.5)) this.#world.write();
    this.#parallelism = 1 + random.int(4);
    this.#reading = [];
    this.#handedOut = position;
    this.#aligner = this.#rig.make({
      state: this.#world.plan(state, resumed, first.position.clusterTime),
      position,
      parallelism: this.#parallelism,
      inFlightLimitBytes: 1_000,
      emptyMeansAll: !sharded,
      keyOrder: this.#rig.keyOrder,
      adopt: ({ coll }) => (coll === OUTSIDE ? undefined : { match: undefined }),
    });
    this.#aligner.receive(first);
  }

  #receive(): void {
    if (this.#aligner.wantsStream) this.#aligner.receive(this.#stream.answer());
  }

  #startReads(): void {
    if (this.#random.chance(0.5)) this.#split();
    while (this.#reading.length < this.#parallelism) {
      const read = this.#aligner.startRead();
      if (read === undefined) return;
      if (compareClusterTime(read.at, this.#world.server.now) > 0) throw new Violation('a read in the future');
      const isAhead = this.#reading.some((other) => compareClusterTime(other.read.at, read.at) < 0);
      if (isAhead) this.#tally.readsAhead += 1;
      this.#reading.push({ read, maxRows: 1 + this.#random.int(4) });
      if (this.#random.chance(0.4)) return;
    }
  }

  /** Cuts one collection into ranges. */
  #split(): void {
    const { state } = this.#aligner;
    for (const [name, copy] of state.run?.collections ?? []) {
      if (copy.remaining !== undefined) continue;
      this.#aligner.update(changeCopy(state, name, { ...copy, remaining: this.#ranges() }));
      return;
    }
  }

  #ranges(): Interval[] {
    const keys = Array.from({ length: KEY_COUNT }, (_, key) => key).filter(() => this.#random.chance(0.1));
    const bounds = keys.map((key) => this.#random.pick(formsOf(key)).value);
    return [undefined, ...bounds].map((after, index) => ({ after, through: bounds[index] }));
  }

  #endRead(): void {
    const [reading] = this.#reading.splice(this.#random.int(this.#reading.length || 1), 1);
    if (reading === undefined) return;
    const { read, maxRows } = reading;
    if (this.#random.chance(0.1)) {
      this.#tally.failedReads += 1;
      this.#aligner.fail(read);
    } else {
      this.#aligner.finish(read, this.#rig.read(this.#world.server, read, maxRows));
    }
  }

  #handOut(): boolean {
    const batch = this.#aligner.next();
    if (batch === undefined) return false;
    const last = this.#handedOut ?? batch.position;
    if (comparePositions(last, batch.position) > 0) throw new Violation('the position goes back');
    if (revisionOf(last) > revisionOf(batch.position)) throw new Violation('the revision goes back');
    this.#log.give(batch);
    this.#handedOut = batch.position;
    return true;
  }

  #pause(paused: boolean): void {
    const { state } = this.#aligner;
    const { run } = state;
    if (run === undefined || run.paused === paused) return;
    this.#aligner.update(changeState(state, { run: { ...run, paused } }));
  }

  /** Somebody asks for a copy; again, when a crash came before that was remembered. */
  #command(): void {
    const { state } = this.#aligner;
    if (!this.#world.isOnDemand || this.#commanded !== undefined) return;
    if (this.#handedOut === undefined || state.run !== undefined) return;
    this.#aligner.update(this.#world.planOnDemand(state, this.#log.events.length, this.#handedOut));
    this.#commanded = this.#aligner.state.revision;
  }

  #acknowledge(): void {
    const { cuts } = this.#log;
    if (cuts.length > 0) this.#log.acknowledge(this.#random.pick(cuts));
  }

  /** Everything that is not durable is lost; the stream is opened again where the sink has got to. */
  #crash(): void {
    this.#world.checkSoFar(this.#log.events);
    this.#tally.crashes += 1;
    const { cuts } = this.#log;
    const cut = cuts.length === 0 ? undefined : this.#random.pick(cuts);
    if (cut === undefined) {
      this.#forgetCommand(0);
      return this.#begin();
    }
    const received = this.#stream.position;
    this.#log.rollBack(cut);
    if (cut.isInside) this.#tally.crashesInsideBatch += 1;
    const position = stored(this.#rig.resumeAt(cut, received));
    const state = parseState(position.state);
    this.#forgetCommand(state.revision);
    this.#open(position, position, state, 'same-selection');
  }

  /** A command that the state of this revision does not include is lost. */
  #forgetCommand(revision: number): void {
    if (this.#commanded === undefined || revision >= this.#commanded) return;
    this.#commanded = undefined;
    this.#world.forgetOnDemand();
  }

  #isDone(): boolean {
    const isGiven = this.#handedOut?.token === this.#stream.position.token;
    const isCommanded = !this.#world.isOnDemand || this.#commanded !== undefined;
    const { run } = this.#aligner.state;
    return isCommanded && run === undefined && isGiven && this.#stream.isDrained && !this.#handOut();
  }
}

function revisionOf({ state }: Position): number {
  return state?.revision ?? 0;
}

/** The position as it comes out of a checkpoint. */
function stored({ token, clusterTime, state }: Position): Position {
  if (state === undefined) return { token, clusterTime };
  return { token, clusterTime, state: { revision: state.revision, text: state.text } };
}
