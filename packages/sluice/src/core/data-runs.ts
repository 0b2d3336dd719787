import { isDataOperation } from './change-event.ts';
import type { Envelope } from './envelope.ts';

/** Cuts a batch before and behind each event that is about no single document: that one alone, the others together. */
export function* dataRuns(batch: readonly Envelope[]): Generator<readonly Envelope[]> {
  let start = 0;
  for (const [index, { event }] of batch.entries()) {
    if (isDataOperation(event.op)) continue;
    if (index > start) yield batch.slice(start, index);
    yield batch.slice(index, index + 1);
    start = index + 1;
  }
  if (start === 0) yield batch;
  else if (start < batch.length) yield batch.slice(start);
}
