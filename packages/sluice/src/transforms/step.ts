import type { Draft } from './draft.ts';

/** What is the same for all events of a batch. */
export interface StepContext {
  readonly nowMs: number;
}

/** One transform of one event: changes the draft; false drops the event. Throws `ValueProblem`. */
export type Step = (draft: Draft, context: StepContext) => boolean;
