import { Binary, type Document, Timestamp } from 'mongodb';
import type { OpenDeadLetterStore } from '../../core/connector.ts';
import type { DeadLetter, DeadLetterStore } from '../../core/dead-letter.ts';
import type { MongodbDeadLetterConfig } from './config.ts';
import { openStateCollection, type StateCollection } from './state-collection.ts';

/** The largest raw event that fits into a document and a command next to the other fields. */
const MAX_RAW_BYTES = 16 * 1024 * 1024 - 64 * 1024;
/** One command holds at most so much, a single larger letter excepted. */
const MAX_COMMAND_BYTES = 8 * 1024 * 1024;
const MAX_COMMAND_LETTERS = 500;
/** Room for the fields besides `raw`. */
const LETTER_BYTES = 4 * 1024;

/**
 * Dead letters in a MongoDB collection, `_id: {pipeline, id}`. Their order is a number (`seq`) that is taken from a
 * counter, one per pipeline in the same collection, when a letter is put for the first time.
 */
export const openMongodbDeadLetters: OpenDeadLetterStore<MongodbDeadLetterConfig> = async (config, context) => {
  const state = await openStateCollection(config, context);
  try {
    await state.ensureIndex({ '_id.pipeline': 1, seq: 1 }, 'order', context.signal);
  } catch (error) {
    await state[Symbol.asyncDispose]();
    throw error;
  }
  return new MongodbDeadLetterStore(state);
};

class MongodbDeadLetterStore implements DeadLetterStore {
  readonly #state: StateCollection;

  constructor(state: StateCollection) {
    this.#state = state;
  }

  async put(letters: readonly DeadLetter[], signal: AbortSignal): Promise<void> {
    const counts = new Map<string, number>();
    for (const { pipeline } of letters) counts.set(pipeline, (counts.get(pipeline) ?? 0) + 1);
    const next = new Map<string, number>();
    for (const [pipeline, count] of counts) next.set(pipeline, await this.#reserve(pipeline, count, signal));
    const updates = letters.map((letter) => {
      const seq = next.get(letter.pipeline) ?? 0;
      next.set(letter.pipeline, seq + 1);
      return toUpdate(letter, seq);
    });
    for (const command of inCommands(letters, updates)) {
      await this.#state.update(`put dead letters into ${this.#state.name}`, command, signal);
    }
  }

  async *list(pipeline: string, signal: AbortSignal): AsyncGenerator<DeadLetter> {
    const filter = { '_id.pipeline': pipeline, seq: { $gt: 0 } };
    for await (const document of this.#state.find(this.#reading, filter, { '_id.pipeline': 1, seq: 1 }, signal)) {
      yield toLetter(document);
    }
  }

  async get(pipeline: string, id: string, signal: AbortSignal): Promise<DeadLetter | undefined> {
    for await (const document of this.#state.find(this.#reading, { _id: { pipeline, id } }, { _id: 1 }, signal)) {
      return toLetter(document);
    }
    return undefined;
  }

  async remove(pipeline: string, ids: readonly string[], signal: AbortSignal): Promise<void> {
    const query = { _id: { $in: ids.map((id) => ({ pipeline, id })) } };
    await this.#state.remove(`remove dead letters from ${this.#state.name}`, query, signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#state[Symbol.asyncDispose]();
  }

  get #reading(): string {
    return `read dead letters from ${this.#state.name}`;
  }

  /** Takes `count` numbers; returns the first. */
  async #reserve(pipeline: string, count: number, signal: AbortSignal): Promise<number> {
    const doing = `number dead letters in ${this.#state.name}`;
    const counter = { _id: { pipeline, counter: true } };
    const document = await this.#state.findAndModify(doing, counter, { $inc: { taken: count } }, signal);
    return Number(document['taken']) - count + 1;
  }
}

function toUpdate(letter: DeadLetter, seq: number): Document {
  const { id, pipeline, partition, namespace, op, key, clusterTime, code, reason, attempts, failedAtMs, rawBytes } =
    letter;
  const raw = letter.raw !== undefined && letter.raw.byteLength <= MAX_RAW_BYTES ? letter.raw : undefined;
  const fields = { partition, namespace, op, key, clusterTime: new Timestamp(clusterTime), code, reason };
  return {
    q: { _id: { pipeline, id } },
    u: {
      $set: {
        ...fields,
        failedAt: new Date(failedAtMs),
        rawBytes,
        ...(letter.orderingKey === undefined ? {} : { orderingKey: letter.orderingKey }),
        ...(raw === undefined ? {} : { raw: new Binary(raw) }),
      },
      ...(raw === undefined ? { $unset: { raw: true } } : {}),
      $max: { attempts },
      $setOnInsert: { seq },
    },
    upsert: true,
  };
}

function* inCommands(letters: readonly DeadLetter[], updates: readonly Document[]): Generator<Document[]> {
  let command: Document[] = [];
  let bytes = 0;
  for (const [index, update] of updates.entries()) {
    const size = LETTER_BYTES + (letters[index]?.raw?.byteLength ?? 0);
    if (command.length > 0 && (bytes + size > MAX_COMMAND_BYTES || command.length >= MAX_COMMAND_LETTERS)) {
      yield command;
      command = [];
      bytes = 0;
    }
    command.push(update);
    bytes += size;
  }
  if (command.length > 0) yield command;
}

function toLetter(document: Document): DeadLetter {
  const time = document['clusterTime'] as Timestamp;
  const raw: unknown = document['raw'];
  return {
    id: document['_id'].id,
    pipeline: document['_id'].pipeline,
    partition: document['partition'],
    namespace: document['namespace'],
    op: document['op'],
    key: document['key'],
    ...(document['orderingKey'] === undefined ? {} : { orderingKey: String(document['orderingKey']) }),
    clusterTime: { t: time.high >>> 0, i: time.low >>> 0 },
    code: document['code'],
    reason: document['reason'],
    attempts: Number(document['attempts']),
    failedAtMs: (document['failedAt'] as Date).getTime(),
    raw: raw instanceof Binary ? raw.value() : undefined,
    rawBytes: Number(document['rawBytes']),
  };
}
