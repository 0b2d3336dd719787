import type { ChangeEvent } from '../../../../core/change-event.ts';
import type { Position } from '../../../../core/position.ts';
import type { SourceBatch } from '../../../../core/source.ts';

/** Where a run can be resumed: behind a number of events. */
export interface Cut {
  readonly length: number;
  /** Between two events of a batch. */
  readonly isInside: boolean;
  readonly position: () => Position;
}

/** The position behind one event of a batch, as the engine makes it when it cuts the batch. */
export type PositionBehind = (batch: SourceBatch, index: number) => Position;

/** The state of a batch goes with its events, except those that bring one of their own. */
export const positionBehind: PositionBehind = (batch, index) => {
  const { position } = batch.events[index] as ChangeEvent;
  const { state } = batch.position;
  return state === undefined || position.state !== undefined ? position : { ...position, state };
};

/** What a sink was given. What stands before the durable cut is acknowledged for ever. */
export class SinkLog {
  readonly #positionBehind: PositionBehind;
  #events: ChangeEvent[] = [];
  #cuts: Cut[] = [];
  #durable = 0;

  constructor(positionBehind: PositionBehind) {
    this.#positionBehind = positionBehind;
  }

  get events(): readonly ChangeEvent[] {
    return this.#events;
  }

  /** Places to resume at; the durable one first. */
  get cuts(): readonly Cut[] {
    return this.#cuts.slice(this.#durable);
  }

  give(batch: SourceBatch): void {
    for (const [index, event] of batch.events.entries()) {
      this.#events.push(event);
      if (index === batch.events.length - 1) break;
      const position = () => this.#positionBehind(batch, index);
      this.#cuts.push({ length: this.#events.length, isInside: true, position });
    }
    this.#cuts.push({ length: this.#events.length, isInside: false, position: () => batch.position });
  }

  /** Everything up to the cut is acknowledged, and everything behind it never was. */
  rollBack(cut: Cut): void {
    this.#durable = this.#cuts.indexOf(cut);
    if (this.#durable < 0) throw new Error('this cut is gone');
    this.#cuts.length = this.#durable + 1;
    this.#events.length = cut.length;
  }

  /** Everything up to the cut is acknowledged. */
  acknowledge(cut: Cut): void {
    this.#durable = this.#cuts.indexOf(cut);
  }
}
