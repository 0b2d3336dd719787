import { setTimeout as delay } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect, createInbox, headers as newHeaders } from '@nats-io/transport-node';
import type { BrokerMessage, Decoder } from '../../core/broker-message.ts';
import type { ChangeEvent } from '../../core/change-event.ts';
import type { Checkpoint } from '../../core/checkpoint.ts';
import type { SourceContext } from '../../core/connector.ts';
import { isAbort } from '../../core/failure.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Source, SourceBatch } from '../../core/source.ts';
import { testEvent } from '../../testing/events.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { natsSourceConfig } from './config.ts';
import { PIN_GROUP } from './consumer-setup.ts';
import { addStream, uniqueName, withStreams } from './sink-fixture.ts';
import { natsSource } from './source.ts';

/*
 * What the tests of the NATS source share: streams with messages, and workers that read them.
 */

const COMMIT_EVERY_MS = 100;
const PUBLISH_LIMIT_MS = 60_000;
const TAKE_LIMIT_MS = 30_000;

/**
 * A new stream that takes `<stream>.>`, and settings of a source for it. What is lost comes again soon; a worker loses its
 * pin only where a test wants it, not when this process stands still for a moment.
 */
export async function prepareStream(
  servers: readonly string[],
  more: Parameters<typeof addStream>[1] | object = {},
): Promise<{ readonly stream: string; readonly settings: Record<string, unknown> }> {
  const stream = uniqueName();
  await addStream(servers, { name: stream, subjects: [`${stream}.>`], ...more });
  const settings = { servers, stream, maxAwaitTime: '200ms', ackWait: '2s', pinTimeout: '30s', requestTimeout: '30s' };
  return { stream, settings };
}

/** Publishes numbers `from` to `to` (without it) as messages of `<stream>.<subject>`. */
export async function publish(
  servers: readonly string[],
  stream: string,
  { subject = 'a', from = 0, to, padding = 0 }: { subject?: string; from?: number; to: number; padding?: number },
): Promise<void> {
  const connection = await connect({ servers: [...servers], reconnect: false });
  const lines = newHeaders();
  lines.append('one', '1');
  try {
    const client = jetstream(connection, { timeout: PUBLISH_LIMIT_MS });
    const all = Array.from({ length: to - from }, (_, index) =>
      client.publish(`${stream}.${subject}`, `${from + index}${' '.repeat(padding)}`, { headers: lines }),
    );
    await Promise.all(all);
  } finally {
    await connection.close();
  }
}

/**
 * Takes deliveries from the owner of a consumer as a broken route would lose them: they go to a request in its name that
 * it knows nothing of. Returns their payloads.
 */
export async function takeAway(
  servers: readonly string[],
  { stream, durable, count }: { readonly stream: string; readonly durable: string; readonly count: number },
  meanwhile: () => Promise<void>,
): Promise<readonly string[]> {
  const info = await withStreams(servers, ({ consumers }) => consumers.info(stream, durable));
  const { priority_groups: groups } = info as { priority_groups?: readonly { pinned_client_id?: string }[] };
  const connection = await connect({ servers: [...servers], reconnect: false });
  const taken: string[] = [];
  try {
    const inbox = createInbox();
    connection.subscribe(inbox, { callback: (_, message) => void taken.push(message.string()) });
    const request = { batch: count, group: PIN_GROUP, id: groups?.[0]?.pinned_client_id, expires: TAKE_LIMIT_MS * 1e6 };
    connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`, JSON.stringify(request), { reply: inbox });
    await connection.flush();
    await meanwhile();
    await waitFor(() => taken.length >= count, { timeoutMs: TAKE_LIMIT_MS, message: 'deliveries are taken away' });
    return taken;
  } finally {
    await connection.close();
  }
}

/** Whole numbers from `from` to `to` (without it). */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

class NotingDecoder implements Decoder {
  readonly name = 'noting';
  readonly #messages = new WeakMap<ChangeEvent, BrokerMessage>();

  decode(message: BrokerMessage): ChangeEvent | undefined {
    const { place, sequence, position } = message;
    if (textOf(message) === 'skip') return undefined;
    const event = { ...testEvent({ id: place, sequence }), id: place, position };
    this.#messages.set(event, message);
    return event;
  }

  messageOf(event: ChangeEvent): BrokerMessage {
    const message = this.#messages.get(event);
    if (message === undefined) throw new Error('this event was made by somebody else');
    return message;
  }
}

function textOf({ value }: BrokerMessage): string {
  return Buffer.from(value ?? []).toString();
}

/** What a test can choose about a worker. */
export interface WorkerOptions {
  readonly context?: Partial<SourceContext>;
  /** False: nothing is acknowledged until the test says so. */
  readonly acknowledge?: boolean;
  /** Awaited before a batch is acknowledged, as a slow sink would make it. */
  readonly write?: () => Promise<void>;
}

/** Opens a source and reads it the way a pipeline does, with a sink that notes what it gets. */
export async function startWorker(settings: object, options: WorkerOptions = {}): Promise<Worker> {
  const decoder = new NotingDecoder();
  const source = await natsSource.open(natsSourceConfig.parse(settings), {
    pipeline: 'test',
    partition: 'test/0',
    logger: silentLogger,
    signal: new AbortController().signal,
    onPositionLost: 'fail',
    decoder,
    ...options.context,
  });
  return new Worker(source, decoder, options);
}

/** A source that is being read. */
export class Worker implements AsyncDisposable {
  readonly source: Source;
  /** Everything that was read, in order. */
  readonly messages: BrokerMessage[] = [];
  readonly batches: SourceBatch[] = [];
  /** What ended the reading. */
  error: unknown;
  readonly #decoder: NotingDecoder;
  readonly #options: WorkerOptions;
  readonly #stop = new AbortController();
  readonly #reading: Promise<void>;
  readonly #saving: Promise<void>;

  constructor(source: Source, decoder: NotingDecoder, options: WorkerOptions) {
    this.source = source;
    this.#decoder = decoder;
    this.#options = options;
    this.#reading = this.#read();
    this.#saving = this.#save();
  }

  /** The numbers that were read, of one subject or of all. */
  numbers(subject?: string): number[] {
    const wanted = this.messages.filter(({ topic }) => subject === undefined || topic.endsWith(`.${subject}`));
    return wanted.map((message) => Number(textOf(message)));
  }

  get isCaughtUp(): boolean {
    return this.batches.at(-1)?.caughtUp ?? false;
  }

  /** Acknowledges the first `count` messages, or everything. */
  acknowledge(count?: number): void {
    const position = count === undefined ? this.batches.at(-1)?.position : this.messages[count - 1]?.position;
    if (position !== undefined) this.source.acknowledged?.(position);
  }

  async save(): Promise<void> {
    await this.source.checkpoints?.save({} as Checkpoint, new AbortController().signal);
  }

  /** Stops reading; what was read is still to be acknowledged. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#reading;
    await this.#saving;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.source[Symbol.asyncDispose]();
  }

  async #read(): Promise<void> {
    const { signal } = this.#stop;
    try {
      for await (const batch of this.source.read(undefined, signal)) {
        this.messages.push(...batch.events.map((event) => this.#decoder.messageOf(event)));
        if (batch.events.length > 0) await this.#options.write?.();
        this.batches.push(batch);
        if (this.#options.acknowledge !== false) this.acknowledge();
      }
    } catch (error) {
      if (!isAbort(error, signal)) this.error = error;
    }
  }

  async #save(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await delay(COMMIT_EVERY_MS, undefined, { signal: this.#stop.signal }).catch(() => {});
      if (this.#options.acknowledge !== false) await this.save().catch(() => {});
    }
  }
}
