import type { StreamConfig } from '@nats-io/jetstream';
import type { SourceConnector, SourceContext } from '../../core/connector.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Source } from '../../core/source.ts';
import { NatsClient } from './client.ts';
import type { NatsSourceConfig } from './config.ts';
import { consumerNames, openConsumer, streamInfo } from './consumer-setup.ts';
import { checkNatsSource } from './source-check.ts';
import { StreamSource } from './stream-source.ts';

/** The `nats` source: durable pull consumers of a stream, acknowledged strictly behind the sink. */
export const natsSource: SourceConnector<NatsSourceConfig> = { open: openNatsSource, check: checkNatsSource };

async function openNatsSource(config: NatsSourceConfig, context: SourceContext): Promise<Source> {
  const { decoder, logger, pipeline, signal } = context;
  if (decoder === undefined) throw new Error('a nats source needs a decoder');
  if (context.onPositionLost === 'resnapshot') throw noSnapshots();
  const names = consumerNames(config, pipeline);
  await using opening = new AsyncDisposableStack();
  const client = opening.use(await NatsClient.open(config, signal));
  const stream = await streamInfo(client, config.stream, signal);
  for (const name of names) {
    const { created } = await openConsumer(config, name, { client, signal });
    if (created) logger.info({ stream: config.stream, consumer: name.durable }, 'consumer created');
  }
  const removesMessages = mayRemove(stream.config);
  const source = new StreamSource({ config, context, decoder, client, names, removesMessages });
  opening.move();
  return source;
}

/** One message per subject leaves gaps all the time, which are not worth a look each. */
function mayRemove({ max_age, max_bytes, max_msgs, max_msgs_per_subject, discard }: StreamConfig): boolean {
  if (max_msgs_per_subject > 0) return false;
  return max_age > 0 || (discard === 'old' && (max_bytes > 0 || max_msgs > 0));
}

function noSnapshots(): SluiceError {
  return new SluiceError('a stream cannot be snapshotted again when its messages are gone', {
    kind: 'config',
    code: 'nats.no-snapshots',
    hint: 'Set `onPositionLost` of the pipeline to `fail` or `skip`.',
  });
}
