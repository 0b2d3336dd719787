import type { SinkContext } from '../../core/connector.ts';
import type { Envelope } from '../../core/envelope.ts';
import type { EncodedRecord } from '../../core/format.ts';
import type { Sink, WriteContext, WriteResult } from '../../core/sink.ts';
import { AppendFile, type AppendOptions } from './append-file.ts';
import { classified } from './classify.ts';
import type { FileSinkConfig } from './config.ts';
import { makeDirectory } from './durable.ts';
import { fixedDirectory, type PathOf, pathTemplate } from './path-template.ts';
import { appendRecord, framingOf, type RecordLayout } from './record-writer.ts';
import { type ShapedBatch, shapeBatch } from './shape-batch.ts';

/** Files kept open; the one that was written to longest ago is closed for the next. */
const MOST_OPEN_FILES = 64;

interface Destined {
  readonly path: string;
  readonly record: EncodedRecord;
}

/**
 * Opens the sink; throws when nothing can be written there. Where the path depends on the namespace, its files are
 * opened when the first record for them comes.
 */
export async function openFileSink(config: FileSinkConfig, context: SinkContext): Promise<Sink> {
  const sink = new FileSink(config, context);
  if (config.path.includes('{')) {
    const directory = fixedDirectory(config.path);
    await classified(`make the directory ${directory}`, () => makeDirectory(directory));
  } else await sink.openFile(config.path);
  return sink;
}

class FileSink implements Sink {
  /** Two: the next batch gets its form while this one goes to the disk. */
  readonly limits = { records: 5_000, bytes: 4 * 1024 * 1024, batchesInFlight: 2 };
  readonly #format: SinkContext['format'];
  readonly #layout: RecordLayout;
  readonly #pathOf: PathOf;
  readonly #fileOptions: AppendOptions;
  /** By path, the one that was written to longest ago first. */
  readonly #files = new Map<string, AppendFile>();
  /** The last write that was called; when it fails, so do all that are called after it. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ path, envelope, rotate, fsync }: FileSinkConfig, { format, logger }: SinkContext) {
    const framing = framingOf(format);
    this.#format = format;
    this.#layout = { framing, envelope };
    this.#pathOf = pathTemplate(path);
    this.#fileOptions = { framing, rotate, fsync, logger };
  }

  openFile(path: string): Promise<void> {
    return this.#file(path).open();
  }

  write(batch: readonly Envelope[], context: WriteContext): Promise<WriteResult> {
    const write = this.#writeAfter(this.#last, batch, context);
    this.#last = write;
    return write;
  }

  async #writeAfter(
    earlier: Promise<unknown>,
    batch: readonly Envelope[],
    context: WriteContext,
  ): Promise<WriteResult> {
    let shaped: ShapedBatch<Destined>;
    try {
      shaped = shapeBatch(batch, (envelope) => this.#shape(envelope));
    } finally {
      await earlier;
    }
    context.signal.throwIfAborted();
    if (shaped.rejections.length > 0) await context.reject(shaped.rejections);
    await this.#append(shaped.shaped);
    return { delivered: shaped.shaped.length, filtered: shaped.filtered };
  }

  #shape(envelope: Envelope): Destined | undefined {
    const record = this.#format.encode(envelope);
    return record && { path: this.#pathOf(envelope), record };
  }

  async #append(records: readonly Destined[]): Promise<void> {
    const touched: AppendFile[] = [];
    try {
      for (const [path, pieces] of this.#piecesByPath(records)) {
        const file = this.#file(path);
        touched.push(file);
        await file.append(Buffer.concat(pieces));
        await this.#closeSurplus();
      }
      await Promise.all(touched.map((file) => file.commit()));
    } catch (error) {
      await Promise.all(touched.map((file) => file.rollback()));
      throw error;
    }
  }

  #piecesByPath(records: readonly Destined[]): ReadonlyMap<string, Buffer[]> {
    const byPath = new Map<string, Buffer[]>();
    for (const { path, record } of records) {
      let pieces = byPath.get(path);
      if (pieces === undefined) {
        pieces = [];
        byPath.set(path, pieces);
      }
      appendRecord(pieces, record, this.#layout);
    }
    return byPath;
  }

  #file(path: string): AppendFile {
    const file = this.#files.get(path) ?? new AppendFile(path, this.#fileOptions);
    this.#files.delete(path);
    this.#files.set(path, file);
    return file;
  }

  async #closeSurplus(): Promise<void> {
    for (const [path, file] of this.#files) {
      if (this.#files.size <= MOST_OPEN_FILES) return;
      this.#files.delete(path);
      await file.commit();
      await file[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last.catch(() => undefined);
    const files = [...this.#files.values()];
    this.#files.clear();
    await Promise.all(files.map((file) => file[Symbol.asyncDispose]()));
  }
}
