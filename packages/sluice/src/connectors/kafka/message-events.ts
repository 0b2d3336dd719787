import type { Decoder } from '../../core/broker-message.ts';
import type { ChangeEvent } from '../../core/change-event.ts';
import type { ConsumedRecord } from './batch-decoder.ts';
import { tokenOf } from './offset-ledger.ts';
import { type PartitionName, placeOf } from './partition-feed.ts';
import type { SourceClock } from './source-clock.ts';

/** What records are made into events with. */
export interface EventMaking {
  readonly decoder: Decoder;
  readonly clock: SourceClock;
  /** Where the stretch begins that they are in: in its partition, and in the order of reading. */
  readonly place: PartitionName & { readonly firstOffset: number; readonly firstSequence: number };
}

/** The events of the records, and how large they are together. Records that only accompany others have none. */
export function eventsOf(
  records: readonly ConsumedRecord[],
  { decoder, clock, place }: EventMaking,
): { readonly events: readonly ChangeEvent[]; readonly bytes: number } {
  const { topic, firstOffset, firstSequence } = place;
  const events: ChangeEvent[] = [];
  let bytes = 0;
  for (const { offset, timestampMs, key, value, headers } of records) {
    const event = decoder.decode({
      topic,
      place: placeOf(place, offset),
      sequence: offset,
      key,
      value,
      headers,
      timestampMs,
      position: { token: tokenOf(firstSequence + offset - firstOffset), clusterTime: clock.see(timestampMs) },
    });
    if (event === undefined) continue;
    events.push(event);
    bytes += event.size;
  }
  return { events, bytes };
}
