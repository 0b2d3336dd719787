import type { Secret } from '../settings/secret.ts';

/**
 * What became of an option: `mapped` (the same here), `changed` (close, but not the same), `not-needed` (nothing is
 * lost by leaving it out), `not-supported` (something is lost).
 */
export type Outcome = 'mapped' | 'changed' | 'not-needed' | 'not-supported';

/** One option of the input, and what became of it. */
export interface ImportEntry {
  readonly option: string;
  /** As it was given; secrets as `***`. Empty for something that was not given. */
  readonly value: string;
  readonly outcome: Outcome;
  /** Where it went, as a path in the YAML. */
  readonly to?: string | undefined;
  readonly reason: string;
}

/** An environment variable that the YAML refers to. */
export interface ImportVariable {
  readonly name: string;
  readonly meaning: string;
}

/** A configuration of another tool as one of ours. */
export interface ImportResult {
  /** Commented, valid once the variables are set. */
  readonly yaml: string;
  /** Every option of the input, in its order. */
  readonly report: readonly ImportEntry[];
  readonly pipelines: readonly string[];
  /** What must be in the environment. */
  readonly variables: readonly ImportVariable[];
  /** The secrets of the input by the name of their variable, for a run without a file. */
  readonly secrets: Readonly<Record<string, Secret>>;
}

/** What the schema can say about a part of a configuration; given by the caller, because importers know no connectors. */
export interface ImportTarget {
  /** What is wrong with the stages of a pipeline, in words; undefined when they can run. */
  pipelineProblem(stages: readonly unknown[]): string | undefined;
}
