import type { ChangeEvent } from '../core/change-event.ts';
import type { Envelope } from '../core/envelope.ts';
import { SluiceError } from '../core/failure.ts';
import type { Transform } from '../core/transform.ts';

/** An envelope on its way to the sink, or to the dead letters when a step refused it. */
export interface Prepared {
  /** As it was before the step that refused it. */
  readonly envelope: Envelope;
  /** Why it was refused; undefined when it is to be written. */
  readonly error?: SluiceError | undefined;
}

/** What the steps between source and sink made of some events. */
export interface PreparedEvents {
  /** In the order of the events, refused ones in their place. */
  readonly items: readonly Prepared[];
  readonly filtered: number;
}

/** The events as envelopes, as they are where there are no steps. */
export function enveloped(events: readonly ChangeEvent[]): PreparedEvents {
  return { items: events.map((event): Prepared => ({ envelope: { event, namespace: event.namespace } })), filtered: 0 };
}

/** Runs the steps one after the other over the whole batch. Rejects with what a step throws, or with a bug of one. */
export async function runSteps(
  events: readonly ChangeEvent[],
  steps: readonly Transform[],
  signal: AbortSignal,
): Promise<PreparedEvents> {
  let { items } = enveloped(events);
  for (const step of steps) {
    const batch = items.flatMap(({ envelope, error }) => (error === undefined ? [envelope] : []));
    if (batch.length === 0) break;
    const results = await step.apply(batch, signal);
    if (results.length !== batch.length) throw new Error('a transform answered for another number of events');
    let next = 0;
    items = items.flatMap((item) => {
      if (item.error !== undefined) return [item];
      const result = results[next++];
      if (result === undefined) return [];
      return [result instanceof SluiceError ? { ...item, error: result } : keepsItsPlace(item.envelope, result)];
    });
  }
  return { items, filtered: events.length - items.length };
}

/** Ordering, checkpoints and accounts rest on it. */
function keepsItsPlace(before: Envelope, after: Envelope): Prepared {
  if (before.event !== after.event && before.event.id !== after.event.id) {
    throw new Error('a transform changed the id of an event');
  }
  return { envelope: after };
}
