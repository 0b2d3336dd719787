import type { CheckpointStore, Claim } from '../core/checkpoint.ts';
import type { DeadLetterStore } from '../core/dead-letter.ts';
import type { Sink } from '../core/sink.ts';
import type { Source } from '../core/source.ts';
import type { Transform } from '../core/transform.ts';
import { ParkedKeys } from './parked-keys.ts';
import type { PipelineDefinition } from './pipeline-definition.ts';

/** What an attempt works with, opened and owned. */
export interface Parts {
  readonly sink: Sink;
  readonly source: Source;
  /** The steps between the two. */
  readonly steps: readonly Transform[];
  readonly checkpoints: CheckpointStore;
  readonly claim: Claim;
  readonly deadLetters: DeadLetterStore | undefined;
  /** Set when changes wait behind a dead letter of their document. */
  readonly parked: ParkedKeys | undefined;
}

/** How parts are opened. */
export interface Opening {
  /** Gets everything that must be closed. */
  readonly resources: AsyncDisposableStack;
  /** Throws unless the partition is owned at this moment. */
  readonly ensureOwned: () => void;
  readonly signal: AbortSignal;
}

/**
 * Opens the parts of a pipeline. The partition is claimed before the source is opened, except where the source keeps the
 * position itself.
 */
export async function openParts(definition: PipelineDefinition, opening: Opening): Promise<Parts> {
  const { resources, signal } = opening;
  const sink = resources.use(await definition.openSink(signal));
  const deadLetters = await definition.openDeadLetters?.(signal);
  if (deadLetters !== undefined) resources.use(deadLetters);
  const steps = (await definition.openTransforms?.(signal)) ?? [];
  for (const step of steps) resources.defer(async () => step[Symbol.asyncDispose]?.());
  const kept = sink.checkpoints ?? (await definition.openCheckpoints?.(signal));
  if (kept !== undefined && kept !== sink.checkpoints) resources.use(kept);
  const parked = await openParked(definition, deadLetters, signal);
  opening.ensureOwned();
  const parts = { sink, steps, deadLetters, parked };
  if (kept !== undefined) {
    const claim = await kept.claim(definition.partition, signal);
    return { ...parts, source: resources.use(await definition.openSource(signal)), checkpoints: kept, claim };
  }
  const source = resources.use(await definition.openSource(signal));
  const { checkpoints } = source;
  if (checkpoints === undefined) throw new Error('neither the source nor the sink nor the pipeline keeps checkpoints');
  return { ...parts, source, checkpoints, claim: await checkpoints.claim(definition.partition, signal) };
}

async function openParked(
  { name, onDeadLetter }: PipelineDefinition,
  deadLetters: DeadLetterStore | undefined,
  signal: AbortSignal,
): Promise<ParkedKeys | undefined> {
  if (onDeadLetter !== 'park' || deadLetters === undefined) return undefined;
  const parked = new ParkedKeys(name, deadLetters);
  await parked.load(signal);
  return parked;
}
