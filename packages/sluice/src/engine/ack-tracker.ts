import type { Position } from '../core/position.ts';

/** Handed out by `begin`, given back to `acknowledge`. */
export interface Ticket {
  readonly sequence: number;
  readonly position: Position;
}

/**
 * The acknowledged floor: the highest position such that everything begun before it is acknowledged. Groups are begun
 * in stream order and may be acknowledged in any order; the floor never goes back.
 */
export class AckTracker {
  readonly #open = new Map<number, Position>();
  readonly #done = new Map<number, Position>();
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

  /** Registers the next group of the stream; `position` is where to resume once it is acknowledged. */
  begin(position: Position): Ticket {
    const sequence = this.#next++;
    this.#open.set(sequence, position);
    return { sequence, position };
  }

  /** Marks a group as done. True when the floor moved. A ticket counts once: a second time is a bug and throws. */
  acknowledge(ticket: Ticket): boolean {
    if (!this.#open.delete(ticket.sequence)) throw new Error(`group ${ticket.sequence} is not outstanding`);
    this.#done.set(ticket.sequence, ticket.position);
    let moved = false;
    for (;;) {
      const position = this.#done.get(this.#floorSequence + 1);
      if (position === undefined) return moved;
      this.#floorSequence += 1;
      this.#done.delete(this.#floorSequence);
      this.#floor = position;
      moved = true;
    }
  }
}
