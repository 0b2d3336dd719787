import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ConnectorContext } from '../../core/connector.ts';
import type { DeadLetter, DeadLetterStore } from '../../core/dead-letter.ts';
import { classified, classify } from './classify.ts';
import type { FileDeadLetterConfig } from './config.ts';
import { appendSteps, compact, readEntries, readOne } from './dead-letter-log.ts';
import { makeDirectory, PRIVATE_FILE } from './durable.ts';

/**
 * Opens the dead letters in a file: a log of JSON lines, one for every entry that was put (the raw event as base64) and
 * one for every removal. Several processes may use it at once. It is made when it is missing.
 */
export async function openFileDeadLetters(
  config: FileDeadLetterConfig,
  _context: ConnectorContext,
): Promise<DeadLetterStore> {
  await classified(`open the dead letters in ${config.path}`, async () => {
    await makeDirectory(dirname(config.path));
    await using _handle = await open(config.path, 'a+', PRIVATE_FILE);
  });
  return new FileDeadLetters(config.path);
}

class FileDeadLetters implements DeadLetterStore {
  readonly #path: string;
  #removedSome = false;

  constructor(path: string) {
    this.#path = path;
  }

  async put(letters: readonly DeadLetter[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const steps = letters.map((put) => ({ put }));
    await classified(`add to the dead letters in ${this.#path}`, () => appendSteps(this.#path, steps));
  }

  async *list(pipeline: string, signal: AbortSignal): AsyncGenerator<DeadLetter> {
    try {
      for await (const letter of readEntries(this.#path, pipeline)) {
        signal.throwIfAborted();
        yield letter;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw classify(error, this.#reading);
    }
  }

  async get(pipeline: string, id: string, signal: AbortSignal): Promise<DeadLetter | undefined> {
    signal.throwIfAborted();
    return classified(this.#reading, () => readOne(this.#path, pipeline, id));
  }

  async remove(pipeline: string, ids: readonly string[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const steps = ids.map((id) => ({ removed: { pipeline, id } }));
    await classified(`remove from the dead letters in ${this.#path}`, () => appendSteps(this.#path, steps));
    this.#removedSome ||= ids.length > 0;
  }

  get #reading(): string {
    return `read the dead letters in ${this.#path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#removedSome) return;
    await classified(`compact the dead letters in ${this.#path}`, () => compact(this.#path));
  }
}
