import type { SluiceError } from '../core/failure.ts';
import type { Tally } from './field-table.ts';
import type { ShapeHash } from './shape-hash.ts';

/** Room for shapes that the collections of a pipeline share; `tallies` is what they take. */
export interface ShapeRoom {
  tallies: number;
}

/** A shape whose documents need no further look. */
export interface KnownShape {
  /** The second half of its hash; the first one is its place. */
  readonly check: number;
  readonly whole: boolean;
  readonly tallies: readonly Tally[];
  /** Makes the error that refuses documents of this shape; undefined when they pass. */
  readonly refusal: (() => SluiceError) | undefined;
  /** Documents since the counts were brought up to date, and when the last one was changed. */
  count: number;
  lastMs: number;
}

const MOST_SHAPES = 2_000;
const MOST_TALLIES_OF_ALL = 250_000;

/** The shapes of one collection that were examined; bounded. */
export class Shapes {
  readonly #shapes = new Map<number, KnownShape>();
  readonly #room: ShapeRoom;

  constructor(room: ShapeRoom) {
    this.#room = room;
  }

  /** The shape with this hash. */
  find({ first, second }: ShapeHash): KnownShape | undefined {
    const shape = this.#shapes.get(first);
    return shape?.check === second ? shape : undefined;
  }

  /** True when there is no room for another one. */
  get isFull(): boolean {
    return this.#shapes.size >= MOST_SHAPES || this.#room.tallies >= MOST_TALLIES_OF_ALL;
  }

  /** Remembers a shape; the caller has made room. */
  add(place: number, shape: KnownShape): void {
    this.#room.tallies += shape.tallies.length - (this.#shapes.get(place)?.tallies.length ?? 0);
    this.#shapes.set(place, shape);
  }

  values(): Iterable<KnownShape> {
    return this.#shapes.values();
  }

  get size(): number {
    return this.#shapes.size;
  }

  clear(): void {
    for (const { tallies } of this.#shapes.values()) this.#room.tallies -= tallies.length;
    this.#shapes.clear();
  }
}
