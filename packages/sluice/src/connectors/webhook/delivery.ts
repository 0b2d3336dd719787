import { setTimeout as sleep } from 'node:timers/promises';
import { SluiceError } from '../../core/failure.ts';
import type { Format } from '../../core/format.ts';
import type { Logger } from '../../core/logger.ts';
import type { Rejection, WriteContext } from '../../core/sink.ts';
import { waitAfter } from './backoff.ts';
import { batchBody, cutIntoBatches } from './batches.ts';
import { Breaker } from './breaker.ts';
import type { Answer, WebhookClient } from './client.ts';
import type { WebhookSinkConfig } from './config.ts';
import { fixedHeaders, shownForms } from './headers.ts';
import { itemResults } from './response.ts';
import type { ShapedEvent } from './shape-events.ts';
import { batchId, parseSigningKey, type SigningKey, signatures } from './signature.ts';

/** Places with a breaker of their own. Beyond this number those where nothing is wrong are forgotten. */
const MOST_BREAKERS = 1_000;
/** After so many tries of events that the endpoint wants again the log says so. */
const TRIES_UNTIL_WARNING = 10;

/** What a delivery is made of. */
export interface DeliveryParts {
  readonly config: WebhookSinkConfig;
  readonly client: WebhookClient;
  readonly format: Pick<Format, 'contentType'>;
  readonly logger: Logger;
}

/** What becomes of the events of one write. */
type Context = Pick<WriteContext, 'checkpoint' | 'reject' | 'signal' | 'ensureOwned'>;

/**
 * Gets events to the endpoint: one request after the other, each repeated until it is taken or refused for good. Several
 * deliveries may run at the same time; what they share is the breaker of each place.
 */
export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #keys: readonly SigningKey[];
  readonly #breakers = new Map<string, Breaker>();

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
    const { config, format } = parts;
    const contentType = config.batch === undefined ? format.contentType : 'application/json';
    this.#headers = { ...fixedHeaders(config), 'content-type': contentType };
    this.#keys = config.signing.map((key) => parseSigningKey(key.reveal())).filter((key) => key !== undefined);
  }

  /** Resolves with the number of rejected events when every event was taken or handed to `reject`. */
  async deliver(events: readonly ShapedEvent[], context: Context): Promise<number> {
    const { batch } = this.#parts.config;
    let rejected = 0;
    for (const group of cutIntoBatches(events, batch ?? { records: 1, bytes: 0 })) {
      rejected += await this.#deliverGroup(group, context);
    }
    return rejected;
  }

  /** A group that is refused as a whole is halved until the events that are refused stand alone. */
  async #deliverGroup(group: readonly ShapedEvent[], context: Context): Promise<number> {
    let rejected = 0;
    let pending = group;
    for (let tries = 1; pending.length > 0; tries++) {
      const answer = await this.#send(pending, context);
      if (answer.taken) {
        const { again, rejections } = this.#sorted(pending, answer.body);
        if (rejections.length > 0) await context.reject(rejections);
        rejected += rejections.length;
        pending = again;
        if (pending.length > 0) this.#wantedAgain(pending, tries);
      } else if (pending.length > 1) {
        const half = Math.ceil(pending.length / 2);
        rejected += await this.#deliverGroup(pending.slice(0, half), context);
        rejected += await this.#deliverGroup(pending.slice(half), context);
        return rejected;
      } else if (tries >= this.#parts.config.attempts) {
        await context.reject(pending.map((event) => this.#refused(event, answer.status, tries)));
        return rejected + 1;
      }
      if (pending.length > 0)
        await sleep(waitAfter(tries, this.#parts.config.retry), undefined, { signal: context.signal });
    }
    return rejected;
  }

  #send(events: readonly ShapedEvent[], { checkpoint, signal, ensureOwned }: Context): Promise<Answer> {
    const { client, config } = this.#parts;
    const [first] = events as readonly [ShapedEvent];
    const alone = config.batch === undefined;
    const body = alone ? first.body : batchBody(events);
    const id = alone ? first.id : batchId(events.map((event) => event.id));
    const headers = { ...this.#headers, ...first.headers, 'sluice-epoch': String(checkpoint.epoch) };
    const wantsBody = config.batch?.results === true;
    return this.#breakerOf(first).run(() => {
      ensureOwned?.();
      const signed = { ...headers, ...this.#signed(id, body) };
      return client.post({ path: first.path, headers: signed, body }, { wantsBody, signal });
    }, signal);
  }

  /** A timestamp and a signature for every try: receivers refuse old ones. */
  #signed(id: string, body: Buffer): Record<string, string> {
    const timestamp = Math.floor(Date.now() / 1000);
    const headers = { 'webhook-id': id, 'webhook-timestamp': String(timestamp) };
    if (this.#keys.length === 0) return headers;
    return { ...headers, 'webhook-signature': signatures({ id, timestamp, body }, this.#keys) };
  }

  /** Each place has its own, so that one path that fails does not hold up the others. */
  #breakerOf({ path, envelope }: ShapedEvent): Breaker {
    let breaker = this.#breakers.get(path);
    if (breaker === undefined) {
      const { config, client, logger } = this.#parts;
      if (this.#breakers.size >= MOST_BREAKERS) {
        for (const [at, { idle }] of this.#breakers) if (idle) this.#breakers.delete(at);
      }
      const { db, coll } = envelope.namespace;
      const endpoint = /\{(db|coll)\}/.test(config.url.reveal()) ? `${client.shown} (${db}.${coll})` : client.shown;
      breaker = new Breaker({ settings: config, logger, endpoint });
      this.#breakers.set(path, breaker);
    }
    return breaker;
  }

  #sorted(events: readonly ShapedEvent[], body: Buffer | undefined) {
    const results = body === undefined ? [] : itemResults(body, events.length);
    const statuses = new Map(results.map((result) => [result.index, result]));
    const again = events.filter((_, index) => statuses.get(index)?.status === 'retry');
    const rejections = events.flatMap(({ envelope }, index): Rejection[] => {
      const result = statuses.get(index);
      if (result?.status !== 'reject') return [];
      const why = result.reason === undefined ? '' : `: ${this.#masked(result.reason)}`;
      return [{ envelope, error: rejected(`${this.#parts.client.shown} rejected the event${why}`) }];
    });
    return { again, rejections };
  }

  #wantedAgain(events: readonly ShapedEvent[], tries: number): void {
    const fields = { endpoint: this.#parts.client.shown, events: events.length, tries };
    const message = 'the endpoint wants events again';
    if (tries === TRIES_UNTIL_WARNING) this.#parts.logger.warn(fields, `${message}; the pipeline waits`);
    else this.#parts.logger.debug(fields, message);
  }

  #refused({ envelope }: ShapedEvent, status: number, tries: number): Rejection {
    const times = tries === 1 ? '' : `, ${tries} times`;
    return { envelope, error: rejected(`${this.#parts.client.shown} answered ${status} to the event${times}`) };
  }

  /** An endpoint may repeat what it was sent. */
  #masked(text: string): string {
    const { auth, secretHeaders, signing } = this.#parts.config;
    const secrets = [...Object.values(secretHeaders), ...signing].map((secret) => secret.reveal());
    return [...secrets, ...shownForms(auth)]
      .filter((secret) => secret !== '')
      .toSorted((a, b) => b.length - a.length)
      .reduce((masked, secret) => masked.replaceAll(secret, '***'), text);
  }
}

function rejected(message: string): SluiceError {
  return new SluiceError(message, {
    kind: 'rejected',
    code: 'webhook.refused',
    hint: 'Ask the endpoint what is wrong with it, then replay the dead letter.',
  });
}
