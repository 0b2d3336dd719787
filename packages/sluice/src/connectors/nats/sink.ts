import type { SinkConnector, SinkContext } from '../../core/connector.ts';
import type { Envelope } from '../../core/envelope.ts';
import { FailFastQueue, inOrder } from '../../core/fail-fast-queue.ts';
import type { Sink, WriteContext, WriteResult } from '../../core/sink.ts';
import { AtomicPublisher } from './atomic-publisher.ts';
import { ChainedPublisher } from './chained-publisher.ts';
import { checkNatsSink } from './check.ts';
import { classifyNatsError } from './classify.ts';
import { NatsClient } from './client.ts';
import type { NatsSinkConfig } from './config.ts';
import { atLeastOnce, type Delivery, ExactlyOnce } from './delivery.ts';
import { HeaderWriter } from './message-headers.ts';
import { recordPrefixOf } from './own-records.ts';
import { type ShapedWrite, type ShapeParts, shapeMessages } from './shape-messages.ts';
import { openStream } from './stream-setup.ts';
import { StreamSubjects } from './stream-subjects.ts';
import { SubjectTemplate, subjectsOfTemplate } from './subject-template.ts';

/** The `nats` sink: a JetStream stream, with the checkpoint elsewhere or in the stream itself. */
export const natsSink: SinkConnector<NatsSinkConfig> = { open: openNatsSink, check: checkNatsSink };

/** While one write is on its way the next one is shaped. */
const BATCHES_IN_FLIGHT = 2;

async function openNatsSink(config: NatsSinkConfig, context: SinkContext): Promise<Sink> {
  const { format, logger, partition, pipeline, signal } = context;
  const client = await NatsClient.open(config, signal);
  try {
    const stream = await openStream(config, { client, logger, signal });
    const messageIdPrefix = config.messageIdPrefix ?? `${pipeline}/`;
    const headers = new HeaderWriter({ ...config.headers, format, messageIdPrefix });
    const shape = { format, template: new SubjectTemplate(config.subject), headers, stream };
    const chained = new ChainedPublisher(client, config.window);
    const parts = {
      client,
      stream,
      publisher: stream.atomic ? new AtomicPublisher(client, chained) : chained,
      recordPrefix: recordPrefixOf(config),
      marks: { messageIdPrefix, timeHeader: `${config.headers.prefix}ts` },
    };
    const exactlyOnce = config.delivery === 'exactly-once';
    const delivery = exactlyOnce ? new ExactlyOnce(parts) : await atLeastOnce(parts, { partition, signal });
    const { name, subjects: taken } = stream;
    const subjects = new StreamSubjects({
      client,
      stream: name,
      subjects: taken,
      mayAdd: mayAddSubjects(config),
      logger,
    });
    return orderedSink(config, { client, shape, delivery, subjects });
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

/** Subjects are only added where neither the settings nor the template can name them beforehand. */
function mayAddSubjects({ createStream, subject }: NatsSinkConfig): boolean {
  return createStream.enabled && createStream.subjects === undefined && subjectsOfTemplate(subject).length === 0;
}

interface SinkParts {
  readonly client: NatsClient;
  readonly shape: ShapeParts;
  readonly delivery: Delivery;
  readonly subjects: StreamSubjects;
}

/** The sink over its connected parts. Writes are shaped and published strictly in the order of the calls. */
function orderedSink(config: NatsSinkConfig, { client, shape, delivery, subjects }: SinkParts): Sink {
  const shaping = new FailFastQueue();
  const publishing = new FailFastQueue();
  return {
    limits: { records: config.batchRecords, bytes: config.batchBytes, batchesInFlight: BATCHES_IN_FLIGHT },
    checkpoints: delivery.checkpoints && inOrder(delivery.checkpoints, publishing),
    broken: client.broken.then((error) => classifyNatsError(error, 'publish')),
    offsets() {
      const { lastStored } = client;
      return lastStored === undefined ? [] : [{ part: config.stream, offset: lastStored + 1, end: undefined }];
    },
    write(batch, context) {
      const shaped = shaping.run(() => shapeMessages(batch, shape, context.signal));
      return publishing.run(async () => publish(batch, { shaped: await shaped, context, delivery, subjects }));
    },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

interface PublishWork {
  readonly shaped: ShapedWrite;
  readonly context: WriteContext;
  readonly delivery: Delivery;
  readonly subjects: StreamSubjects;
}

async function publish(batch: readonly Envelope[], work: PublishWork): Promise<WriteResult> {
  const { messages, rejections, filtered } = work.shaped;
  const { signal, checkpoint } = work.context;
  signal.throwIfAborted();
  await work.subjects.ensure(messages, signal);
  if (rejections.length > 0) await work.context.reject(rejections);
  const first = batch[0]?.event.position ?? checkpoint.position;
  await work.delivery.deliver({ messages, first, checkpoint, signal });
  return { delivered: batch.length - filtered - rejections.length, filtered };
}
