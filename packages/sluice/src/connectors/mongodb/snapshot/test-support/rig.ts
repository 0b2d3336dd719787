import type { Position } from '../../../../core/position.ts';
import { Aligner, type AlignerOptions } from '../aligner.ts';
import { type KeyOrder, simpleOrder } from '../remaining.ts';
import { type ReadModelChunk, readModelChunk } from './model-read.ts';
import { type Cut, type PositionBehind, positionBehind } from './sink-log.ts';

/** What a run does with an aligner. */
export type AlignerPort = Pick<
  Aligner,
  'state' | 'wantsStream' | 'receive' | 'update' | 'startRead' | 'finish' | 'fail' | 'next'
>;

/** The seams of a run, where a test can plant a bug. */
export interface Rig {
  readonly keyOrder: KeyOrder;
  readonly read: ReadModelChunk;
  readonly make: (options: AlignerOptions) => AlignerPort;
  readonly positionBehind: PositionBehind;
  /** The position that is resumed from, for a cut; `received` is behind everything that had come by then. */
  readonly resumeAt: (cut: Cut, received: Position) => Position;
}

/** Without any bug. */
export const soundRig: Rig = {
  keyOrder: simpleOrder,
  read: readModelChunk,
  make: (options) => new Aligner(options),
  positionBehind,
  resumeAt: (cut) => cut.position(),
};
