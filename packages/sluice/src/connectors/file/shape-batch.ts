import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Rejection } from '../../core/sink.ts';

/** A batch after every envelope got its form: what is to be written, in order, and what is not. */
export interface ShapedBatch<T> {
  readonly shaped: readonly T[];
  readonly rejections: readonly Rejection[];
  readonly filtered: number;
}

/** Gives every envelope its form. Undefined counts as filtered, a `rejected` error as a rejection; others are thrown. */
export function shapeBatch<T>(
  batch: readonly Envelope[],
  shape: (envelope: Envelope) => T | undefined,
): ShapedBatch<T> {
  const shaped: T[] = [];
  const rejections: Rejection[] = [];
  for (const envelope of batch) {
    try {
      const form = shape(envelope);
      if (form !== undefined) shaped.push(form);
    } catch (error) {
      if (!(error instanceof SluiceError) || error.kind !== 'rejected') throw error;
      rejections.push({ envelope, error });
    }
  }
  return { shaped, rejections, filtered: batch.length - shaped.length - rejections.length };
}
