import { NamespaceCache } from '../bson/namespace-cache.ts';
import { parseChangeEvent } from '../bson/raw-change-event.ts';
import type { PipelineConfig } from '../config/config.ts';
import { registry } from '../connectors/registry.ts';
import type { DeadLetter } from '../core/dead-letter.ts';
import type { Envelope } from '../core/envelope.ts';
import { asSluiceError, type SluiceError } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { Rejection, Sink } from '../core/sink.ts';
import type { Invocation, Outcome } from './action.ts';
import { entryOf, sinkContext } from './build-pipeline.ts';
import { chosenLetters, type OpenLetters, openLetters } from './dead-letters.ts';
import type { DlqOptions } from './dlq.ts';
import { EXIT } from './exit-code.ts';
import { createLogger } from './logging.ts';
import { listenForSignals } from './signals.ts';

/** A dead letter that can be written again. */
interface Replayable {
  readonly letter: DeadLetter;
  readonly envelope: Envelope;
}

/** What became of the dead letters of one replay. */
interface ReplayCounts {
  delivered: number;
  filtered: number;
  rejected: number;
  /** Their bytes are not there or cannot be read as an event at all. */
  unreadable: number;
}

/** `sluice dlq replay` */
export async function replayLetters(invocation: Invocation<DlqOptions>): Promise<Outcome> {
  using signals = listenForSignals();
  await using letters = await openLetters(invocation, signals.stop);
  const chosen = await chosenLetters(letters, invocation, signals.stop);
  const counts: ReplayCounts = { delivered: 0, filtered: 0, rejected: 0, unreadable: 0 };
  if (chosen.length > 0) {
    const replayable = await readable(chosen, letters, counts, signals.stop);
    await using sink = await openReplaySink(letters.pipeline, warnings(invocation), signals.stop);
    for (const batch of batchesOf(replayable, sink))
      await writeBatch(batch, { letters, sink, counts, signal: signals.stop });
  }
  const { delivered, filtered, rejected, unreadable } = counts;
  const left = rejected + unreadable === 0 ? '' : `; ${rejected} rejected again, ${unreadable} cannot be read`;
  const skipped = filtered === 0 ? '' : `, ${filtered} have no form in this sink`;
  return {
    exitCode: rejected + unreadable === 0 ? EXIT.ok : EXIT.assertion,
    result: { pipeline: letters.pipeline.name, ...counts },
    text: `${delivered} delivered${skipped}${left}\n`,
  };
}

function warnings({ terminal }: Invocation<unknown>): Logger {
  const write = (line: string) => terminal.message(line);
  return createLogger({ level: 'warn', pretty: true, write, mask: (text) => text, paint: terminal.paintMessage });
}

/** The pipeline's sink without its transactions: their id belongs to the pipeline, which may be running. */
async function openReplaySink(pipeline: PipelineConfig, logger: Logger, signal: AbortSignal): Promise<Sink> {
  const { sink } = pipeline;
  const config = 'delivery' in sink.config ? { ...sink.config, delivery: 'at-least-once' } : sink.config;
  const connector = await entryOf(registry.sinks, sink).load();
  const context = { pipeline: pipeline.name, partition: replayPartition(pipeline), logger, signal };
  return connector.open(config, await sinkContext(pipeline, context));
}

function replayPartition({ name }: PipelineConfig): string {
  return `${name}/replay`;
}

async function readable(
  chosen: readonly DeadLetter[],
  { store }: OpenLetters,
  counts: ReplayCounts,
  signal: AbortSignal,
): Promise<readonly Replayable[]> {
  const namespaces = new NamespaceCache();
  const replayable: Replayable[] = [];
  for (const letter of chosen) {
    try {
      if (letter.raw === undefined) throw new Error('the store could not hold the event');
      const event = parseChangeEvent(letter.raw, namespaces);
      replayable.push({ letter, envelope: { event, namespace: event.namespace } });
    } catch (error) {
      counts.unreadable += 1;
      await store.put([failedAgain(letter, asSluiceError(error))], signal);
    }
  }
  return replayable;
}

/** Groups within what the sink takes at once, in order. */
function* batchesOf(all: readonly Replayable[], { limits }: Sink): Generator<readonly Replayable[]> {
  let batch: Replayable[] = [];
  let bytes = 0;
  for (const one of all) {
    const size = one.letter.rawBytes;
    if (batch.length > 0 && (batch.length >= limits.records || bytes + size > limits.bytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(one);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

interface Replay {
  readonly letters: OpenLetters;
  readonly sink: Sink;
  readonly counts: ReplayCounts;
  readonly signal: AbortSignal;
}

/** Writes a batch; what was delivered is removed, what was rejected again is kept with one attempt more. */
async function writeBatch(batch: readonly Replayable[], { letters, sink, counts, signal }: Replay): Promise<void> {
  const byId = new Map(batch.map(({ letter, envelope }) => [envelope.event.id, letter]));
  const rejected = new Set<string>();
  const reject = async (rejections: readonly Rejection[]) => {
    const again = rejections.flatMap(({ envelope, error }) => {
      const letter = byId.get(envelope.event.id);
      return letter === undefined ? [] : [failedAgain(letter, error)];
    });
    await letters.store.put(again, signal);
    for (const { id } of again) rejected.add(id);
  };
  const checkpoint = replayCheckpoint(letters.pipeline, batch);
  const envelopes = batch.map(({ envelope }) => envelope);
  const { delivered, filtered } = await sink.write(envelopes, { checkpoint, reject, signal });
  const done = batch.map(({ letter }) => letter.id).filter((id) => !rejected.has(id));
  await letters.store.remove(letters.pipeline.name, done, signal);
  counts.delivered += delivered;
  counts.filtered += filtered;
  counts.rejected += rejected.size;
}

/** The seam asks for a checkpoint; a sink without transactions stores none. */
function replayCheckpoint(pipeline: PipelineConfig, batch: readonly Replayable[]) {
  const position = batch.at(-1)?.envelope.event.position ?? { token: '', clusterTime: { t: 0, i: 0 } };
  const partition = replayPartition(pipeline);
  return { partition, epoch: 0, position, deployment: '', fingerprint: '', savedAtMs: Date.now() };
}

function failedAgain(letter: DeadLetter, { code, message }: SluiceError): DeadLetter {
  return { ...letter, code, reason: message, attempts: letter.attempts + 1, failedAtMs: Date.now() };
}
