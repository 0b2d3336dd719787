import type { ChangeEvent, Namespace } from './change-event.ts';

/** An event plus the decisions of its pipeline. Transforms return a new one; nobody mutates it. */
export interface Envelope {
  readonly event: ChangeEvent;
  /** Where it goes, as a namespace: the event's own unless a transform renamed it. Sinks derive topics, files, … from it. */
  readonly namespace: Namespace;
  /** The event as the source gave it, when a transform made another one of it. It has the same id, key and position. */
  readonly original?: ChangeEvent | undefined;
}
