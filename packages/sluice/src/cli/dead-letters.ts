import { createHash } from 'node:crypto';
import type { PipelineConfig } from '../config/config.ts';
import { registry } from '../connectors/registry.ts';
import type { DeadLetter, DeadLetterStore } from '../core/dead-letter.ts';
import { silentLogger } from '../core/logger.ts';
import { type Invocation, usageError } from './action.ts';
import { connectorContext, entryOf } from './build-pipeline.ts';
import type { DlqOptions } from './dlq.ts';
import { loadCalled } from './load.ts';
import { onePipeline } from './select-pipelines.ts';

/** The dead letters of one pipeline, opened. */
export interface OpenLetters extends AsyncDisposable {
  readonly pipeline: PipelineConfig;
  readonly store: DeadLetterStore;
}

/** Opens the dead letters of the pipeline that the call names. */
export async function openLetters(invocation: Invocation<DlqOptions>, signal: AbortSignal): Promise<OpenLetters> {
  const { config } = await loadCalled(invocation);
  const pipeline = onePipeline(config, invocation.options.pipeline);
  const { deadLetter } = pipeline;
  if (deadLetter === undefined) {
    throw usageError(`pipeline "${pipeline.name}" has no dead letters`, 'set deadLetter in its configuration');
  }
  const { open } = await entryOf(registry.deadLetters, deadLetter).load();
  const store = await open(deadLetter.config, connectorContext(pipeline, silentLogger)(signal));
  return { pipeline, store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

/** A short name for a dead letter that a person can type: the beginning of a hash of its event id. */
export function referenceOf({ id }: DeadLetter): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 8);
}

/** The dead letters that are meant by references or event ids, in stored order; all of them with `--all`. */
export async function chosenLetters(
  { pipeline, store }: OpenLetters,
  { args, options, command }: Invocation<DlqOptions>,
  signal: AbortSignal,
): Promise<readonly DeadLetter[]> {
  const wanted = new Set((args[0] ?? []) as readonly string[]);
  if (wanted.size === 0 && options.all !== true) throw usageError('which ones?', `name ids, or "${command} --all"`);
  if (wanted.size > 0 && options.all === true) throw usageError('either ids or --all, not both');
  const letters: DeadLetter[] = [];
  for await (const letter of store.list(pipeline.name, signal)) {
    const names = [letter.id, referenceOf(letter)].filter((name) => wanted.has(name));
    if (options.all === true || names.length > 0) letters.push(letter);
    for (const name of names) wanted.delete(name);
  }
  const [missing] = wanted;
  if (missing === undefined) return letters;
  throw usageError(`there is no dead letter "${missing}" in pipeline "${pipeline.name}"`, 'see "sluice dlq list"');
}
