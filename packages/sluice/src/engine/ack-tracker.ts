import type { Position } from '../core/position.ts';

/** Handed out by `begin`, given back to `acknowledge`. */
export interface Ticket {
  readonly sequence: number;
  readonly position: Position;
}

/** Groups that follow each other and are all acknowledged. */
interface Run {
  readonly first: number;
  readonly last: number;
  /** That of the last one. */
  readonly position: Position;
}

/**
 * The acknowledged floor: the highest position such that everything begun before it is acknowledged. Groups are begun
 * in stream order and may be acknowledged in any order; the floor never goes back. However long one group takes, what is
 * remembered grows only with the number of groups that are not acknowledged.
 */
export class AckTracker {
  readonly #open = new Set<number>();
  /** Runs above the floor, by their first and by their last group. */
  readonly #byFirst = new Map<number, Run>();
  readonly #byLast = new Map<number, Run>();
  #next = 0;
  #floorSequence = -1;
  #floor: Position | undefined;

  /** Highest position that everything up to it is acknowledged for; undefined before the first acknowledgement. */
  get floor(): Position | undefined {
    return this.#floor;
  }

  /** Groups begun and not acknowledged. */
  get outstanding(): number {
    return this.#open.size;
  }

  /** Runs that are remembered because something before them is not acknowledged. */
  get remembered(): number {
    return this.#byFirst.size;
  }

  /** Registers the next group of the stream; `position` is where to resume once it is acknowledged. */
  begin(position: Position): Ticket {
    const sequence = this.#next++;
    this.#open.add(sequence);
    return { sequence, position };
  }

  /** Marks a group as done. True when the floor moved. A ticket counts once: a second time is a bug and throws. */
  acknowledge({ sequence, position }: Ticket): boolean {
    if (!this.#open.delete(sequence)) throw new Error(`group ${sequence} is not outstanding`);
    const run = this.#joined({ first: sequence, last: sequence, position });
    if (run.first !== this.#floorSequence + 1) {
      this.#byFirst.set(run.first, run);
      this.#byLast.set(run.last, run);
      return false;
    }
    this.#floorSequence = run.last;
    this.#floor = run.position;
    return true;
  }

  /** The run with its neighbours, which are forgotten. */
  #joined(run: Run): Run {
    const before = this.#byLast.get(run.first - 1);
    const after = this.#byFirst.get(run.last + 1);
    for (const neighbour of [before, after]) {
      if (neighbour === undefined) continue;
      this.#byFirst.delete(neighbour.first);
      this.#byLast.delete(neighbour.last);
    }
    const { last, position } = after ?? run;
    return { first: before?.first ?? run.first, last, position };
  }
}
