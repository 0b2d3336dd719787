import type { Namespace } from './change-event.ts';

/** One field that documents of a collection have shown. */
export interface LearnedField {
  /** Names from the top, joined by dots; `[]` stands for the elements of an array, `*` for the names of a map. */
  readonly path: string;
  /** As MongoDB's `$type` calls them. */
  readonly types: readonly string[];
}

/** What is known about the documents of a collection as the sink gets them. */
export interface LearnedCollection {
  /** Another number for every change; the same while nothing has changed. */
  readonly revision: number;
  /** In the order of their paths. */
  readonly fields: readonly LearnedField[];
  /** Paths whose names are those of a map, because there were too many. */
  readonly maps: readonly string[];
}

/** What the pipeline has learned of the documents that it hands to its sink, those of the present batch included. */
export interface LearnedFields {
  /** Asked by the namespace of the event (`envelope.event.namespace`); undefined when nothing is known of it. Cheap. */
  of(namespace: Namespace): LearnedCollection | undefined;
}
