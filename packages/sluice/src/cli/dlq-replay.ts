import type { DeadLetter } from '../core/dead-letter.ts';
import type { SluiceError } from '../core/failure.ts';
import { asSluiceError } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { Rejection, Sink } from '../core/sink.ts';
import type { Transform } from '../core/transform.ts';
import { runSteps } from '../engine/run-steps.ts';
import type { Invocation, Outcome } from './action.ts';
import { chosenLetters, type OpenLetters, openLetters } from './dead-letters.ts';
import type { DlqOptions } from './dlq.ts';
import { EXIT } from './exit-code.ts';
import { createLogger } from './logging.ts';
import { LetterReader, openReplaySink, openReplaySteps, type Replayable, replayPartition } from './replay-parts.ts';
import { listenForSignals } from './signals.ts';

/** What became of the dead letters of one replay. */
interface ReplayCounts {
  delivered: number;
  filtered: number;
  rejected: number;
  /** Their bytes are not there or cannot be read as an event at all. */
  unreadable: number;
  /** Left where they are because an earlier one of their document was rejected again. */
  waiting: number;
}

/** `sluice dlq replay` */
export async function replayLetters(invocation: Invocation<DlqOptions>): Promise<Outcome> {
  using signals = listenForSignals();
  await using letters = await openLetters(invocation, signals.stop);
  const chosen = await chosenLetters(letters, invocation, signals.stop);
  const counts: ReplayCounts = { delivered: 0, filtered: 0, rejected: 0, unreadable: 0, waiting: 0 };
  if (chosen.length > 0) {
    await using resources = new AsyncDisposableStack();
    const logger = warnings(invocation);
    const sink = resources.use(await openReplaySink(letters.pipeline, logger, signals.stop));
    const steps = await openReplaySteps(letters.pipeline, resources, signals.stop);
    const reader = await LetterReader.of(letters.pipeline);
    await new Replay({ letters, sink, steps, reader, counts, signal: signals.stop }).run(chosen);
  }
  return outcomeOf(letters.pipeline.name, counts);
}

function outcomeOf(pipeline: string, counts: ReplayCounts): Outcome {
  const { delivered, filtered, rejected, unreadable, waiting } = counts;
  const left = rejected + unreadable === 0 ? '' : `; ${rejected} rejected again, ${unreadable} cannot be read`;
  const behind = waiting === 0 ? '' : `; ${waiting} wait behind those`;
  const skipped = filtered === 0 ? '' : `, ${filtered} have no form in this sink`;
  return {
    exitCode: rejected + unreadable === 0 ? EXIT.ok : EXIT.assertion,
    result: { pipeline, ...counts },
    text: `${delivered} delivered${skipped}${left}${behind}\n`,
  };
}

function warnings({ terminal }: Invocation<unknown>): Logger {
  const write = (line: string) => terminal.message(line);
  return createLogger({ level: 'warn', pretty: true, write, mask: (text) => text, paint: terminal.paintMessage });
}

interface ReplayParts {
  readonly letters: OpenLetters;
  readonly sink: Sink;
  readonly steps: readonly Transform[];
  readonly reader: LetterReader;
  readonly counts: ReplayCounts;
  readonly signal: AbortSignal;
}

/** Brings dead letters the way of their pipeline again, in their order. */
class Replay {
  readonly #parts: ReplayParts;
  /** Documents whose letters wait because an earlier one failed again; only where letters keep the order. */
  readonly #blocked = new Set<string>();
  readonly #seen = new Set<string>();
  readonly #parks: boolean;

  constructor(parts: ReplayParts) {
    this.#parts = parts;
    this.#parks = parts.letters.pipeline.onDeadLetter === 'park';
  }

  /** While it works, a running pipeline parks further changes of the same documents: they are brought along. */
  async run(chosen: readonly DeadLetter[]): Promise<void> {
    const documents = new Set(chosen.flatMap(({ orderingKey }) => orderingKey ?? []));
    for (let letters = chosen; letters.length > 0; letters = await this.#parkedSince(documents)) {
      for (const { id } of letters) this.#seen.add(id);
      for (const batch of this.#batches(letters)) await this.#replay(batch);
    }
  }

  async #parkedSince(documents: ReadonlySet<string>): Promise<readonly DeadLetter[]> {
    if (!this.#parks) return [];
    const { letters, signal } = this.#parts;
    const found: DeadLetter[] = [];
    for await (const letter of letters.store.list(letters.pipeline.name, signal)) {
      const ours = letter.orderingKey !== undefined && documents.has(letter.orderingKey);
      if (ours && !this.#seen.has(letter.id)) found.push(letter);
    }
    return found;
  }

  /** Groups within what the sink takes at once; with parked letters no two of one document, whose fate is then known. */
  *#batches(letters: readonly DeadLetter[]): Generator<readonly DeadLetter[]> {
    const { limits } = this.#parts.sink;
    let batch: DeadLetter[] = [];
    let bytes = 0;
    let documents = new Set<string>();
    for (const letter of letters) {
      const { orderingKey, rawBytes } = letter;
      const full = batch.length >= limits.records || bytes + rawBytes > limits.bytes;
      const again = this.#parks && orderingKey !== undefined && documents.has(orderingKey);
      if (batch.length > 0 && (full || again)) {
        yield batch;
        batch = [];
        bytes = 0;
        documents = new Set();
      }
      batch.push(letter);
      bytes += rawBytes;
      if (orderingKey !== undefined) documents.add(orderingKey);
    }
    if (batch.length > 0) yield batch;
  }

  /** What was delivered is removed, what was rejected again is kept with one attempt more. */
  async #replay(batch: readonly DeadLetter[]): Promise<void> {
    const { letters, counts, signal } = this.#parts;
    const free = batch.filter(({ orderingKey }) => orderingKey === undefined || !this.#blocked.has(orderingKey));
    counts.waiting += batch.length - free.length;
    const { replayable, settled } = await this.#readable(free);
    const rejected = await this.#write(replayable);
    const written = replayable.map(({ letter }) => letter.id).filter((id) => !rejected.has(id));
    const done = [...settled, ...written];
    if (done.length > 0) await letters.store.remove(letters.pipeline.name, done, signal);
  }

  /** `settled` are the ids of letters with nothing to write. */
  async #readable(letters: readonly DeadLetter[]) {
    const replayable: Replayable[] = [];
    const settled: string[] = [];
    for (const letter of letters) {
      try {
        const event = this.#parts.reader.read(letter);
        if (event === undefined) settled.push(letter.id);
        else replayable.push({ letter, event });
      } catch (error) {
        this.#parts.counts.unreadable += 1;
        await this.#failedAgain(letter, asSluiceError(error));
      }
    }
    this.#parts.counts.filtered += settled.length;
    return { replayable, settled };
  }

  /** Returns the ids of the letters that were rejected again. */
  async #write(replayable: readonly Replayable[]): Promise<ReadonlySet<string>> {
    const { sink, steps, counts, signal } = this.#parts;
    const letterOf = new Map(replayable.map(({ letter, event }) => [event.id, letter]));
    const rejected = new Set<string>();
    const reject = async (rejections: readonly Rejection[]) => {
      for (const { envelope, error } of rejections) {
        const letter = letterOf.get(envelope.event.id);
        if (letter === undefined) continue;
        await this.#failedAgain(letter, error);
        rejected.add(letter.id);
      }
    };
    const events = replayable.map(({ event }) => event);
    const prepared = await runSteps(events, steps, signal);
    await reject(prepared.items.flatMap(({ envelope, error }) => (error === undefined ? [] : [{ envelope, error }])));
    counts.filtered += prepared.filtered;
    const envelopes = prepared.items.flatMap(({ envelope, error }) => (error === undefined ? [envelope] : []));
    if (envelopes.length > 0) {
      const checkpoint = this.#checkpoint(replayable);
      const { delivered, filtered } = await sink.write(envelopes, { checkpoint, reject, signal });
      counts.delivered += delivered;
      counts.filtered += filtered;
    }
    counts.rejected += rejected.size;
    return rejected;
  }

  async #failedAgain(letter: DeadLetter, { code, message }: SluiceError): Promise<void> {
    const { letters, signal } = this.#parts;
    if (this.#parks && letter.orderingKey !== undefined) this.#blocked.add(letter.orderingKey);
    const again = { ...letter, code, reason: message, attempts: letter.attempts + 1, failedAtMs: Date.now() };
    await letters.store.put([again], signal);
  }

  /** The seam asks for a checkpoint; a sink without transactions stores none. */
  #checkpoint(replayable: readonly Replayable[]) {
    const position = replayable.at(-1)?.event.position ?? { token: '', clusterTime: { t: 0, i: 0 } };
    const partition = replayPartition(this.#parts.letters.pipeline);
    return { partition, epoch: 0, position, deployment: '', fingerprint: '', savedAtMs: Date.now() };
  }
}
