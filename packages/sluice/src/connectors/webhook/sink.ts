import type { SinkConnector, SinkContext } from '../../core/connector.ts';
import type { Envelope } from '../../core/envelope.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Sink, SinkLimits, WriteContext, WriteResult } from '../../core/sink.ts';
import { checkWebhookSink } from './check.ts';
import { WebhookClient } from './client.ts';
import type { WebhookSinkConfig } from './config.ts';
import type { Lookup } from './connector.ts';
import { Delivery } from './delivery.ts';
import { type ShapeParts, shapeEvents } from './shape-events.ts';
import { UrlTemplate } from './url-template.ts';

/** The `webhook` sink: every event, or every batch of them, is a signed POST request. At-least-once. */
export const webhookSink: SinkConnector<WebhookSinkConfig> = { open: openWebhookSink, check: checkWebhookSink };

/** Requests that are usually under way at the same time. */
const LANES = 8;
/** One event is one request: large writes would only make what comes again after a crash more. */
const SINGLE_LIMITS = { records: 32, bytes: 1024 * 1024 };

/** What a test may have otherwise. */
export interface OpenOptions {
  readonly lookup?: Lookup;
}

/** Opens the sink. Sends nothing: an endpoint that does not answer is waited for with the first event. */
export async function openWebhookSink(
  config: WebhookSinkConfig,
  context: SinkContext,
  options: OpenOptions = {},
): Promise<Sink> {
  const { format, logger, pipeline, signal } = context;
  const { batch } = config;
  if (batch !== undefined && !/[/+]json\b/.test(format.contentType)) throw noJson(format.contentType);
  signal.throwIfAborted();
  const client = await WebhookClient.open(config, options.lookup);
  const template = new UrlTemplate(config.url.reveal());
  const shape = { format, template, idPrefix: config.idPrefix ?? `${pipeline}_`, batch };
  return new WebhookSink({ client, shape, delivery: new Delivery({ config, client, format, logger }) });
}

interface SinkParts {
  readonly client: WebhookClient;
  readonly shape: ShapeParts;
  readonly delivery: Delivery;
}

class WebhookSink implements Sink {
  readonly limits: SinkLimits;
  readonly #parts: SinkParts;
  #failure: { readonly error: unknown } | undefined;

  constructor(parts: SinkParts) {
    this.#parts = parts;
    const { records, bytes } = parts.shape.batch ?? SINGLE_LIMITS;
    this.limits = { records, bytes, batchesInFlight: 1, lanes: LANES };
  }

  async write(batch: readonly Envelope[], context: WriteContext): Promise<WriteResult> {
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      return await this.#write(batch, context);
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }

  async #write(batch: readonly Envelope[], context: WriteContext): Promise<WriteResult> {
    const { delivery, shape } = this.#parts;
    const { events, rejections, filtered } = shapeEvents(batch, shape);
    context.signal.throwIfAborted();
    if (rejections.length > 0) await context.reject(rejections);
    const rejected = await delivery.deliver(events, context);
    return { delivered: events.length - rejected, filtered };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.client[Symbol.asyncDispose]();
  }
}

function noJson(contentType: string): SluiceError {
  return new SluiceError(`\`batch\` puts events into JSON, and the format gives ${contentType}`, {
    kind: 'config',
    code: 'webhook.batch-format',
    hint: 'Choose a `format` with a JSON encoding, or leave `batch` out.',
  });
}
