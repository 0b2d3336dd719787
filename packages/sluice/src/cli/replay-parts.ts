import { NamespaceCache } from '../bson/namespace-cache.ts';
import { parseChangeEvent } from '../bson/raw-change-event.ts';
import type { PipelineConfig } from '../config/config.ts';
import { registry } from '../connectors/registry.ts';
import type { Decoder } from '../core/broker-message.ts';
import type { ChangeEvent } from '../core/change-event.ts';
import type { DeadLetter } from '../core/dead-letter.ts';
import type { Logger } from '../core/logger.ts';
import type { Sink } from '../core/sink.ts';
import type { Transform } from '../core/transform.ts';
import { entryOf, pipelineDecoder, pipelineTransforms, sinkContext } from './build-pipeline.ts';

/** A dead letter that can be written again. */
export interface Replayable {
  readonly letter: DeadLetter;
  readonly event: ChangeEvent;
}

/** The pipeline's sink without its transactions: their id belongs to the pipeline, which may be running. */
export async function openReplaySink(pipeline: PipelineConfig, logger: Logger, signal: AbortSignal): Promise<Sink> {
  const { sink } = pipeline;
  const config = 'delivery' in sink.config ? { ...sink.config, delivery: 'at-least-once' } : sink.config;
  const connector = await entryOf(registry.sinks, sink).load();
  const context = { pipeline: pipeline.name, partition: replayPartition(pipeline), logger, signal };
  return connector.open(config, await sinkContext(pipeline, context));
}

/** The pipeline's transforms, closed with the resources. */
export async function openReplaySteps(
  pipeline: PipelineConfig,
  resources: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<readonly Transform[]> {
  const steps = await pipelineTransforms(pipeline, signal);
  for (const step of steps) resources.defer(async () => step[Symbol.asyncDispose]?.());
  return steps;
}

/** What a replay calls itself, so that it never stands for the running pipeline. */
export function replayPartition({ name }: PipelineConfig): string {
  return `${name}/replay`;
}

/** Makes events of dead letters. */
export class LetterReader {
  readonly #namespaces = new NamespaceCache();
  readonly #decoder: Decoder | undefined;

  private constructor(decoder: Decoder | undefined) {
    this.#decoder = decoder;
  }

  static async of(pipeline: PipelineConfig): Promise<LetterReader> {
    return new LetterReader(await pipelineDecoder(pipeline));
  }

  /**
   * The event of the letter; throws when it cannot be read. A message that could not be decoded is tried again: undefined when
   * it turns out to be none of its own, such as a tombstone that only follows a delete.
   */
  read({ raw }: DeadLetter): ChangeEvent | undefined {
    if (raw === undefined) throw new Error('the store could not hold the event');
    const decode = this.#decoder?.decodeStored?.bind(this.#decoder);
    return decode === undefined ? parseChangeEvent(raw, this.#namespaces) : decode(raw);
  }
}
