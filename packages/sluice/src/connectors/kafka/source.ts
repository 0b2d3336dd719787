import type { SourceConnector, SourceContext } from '../../core/connector.ts';
import { SluiceError } from '../../core/failure.ts';
import type { Source } from '../../core/source.ts';
import { KafkaClient } from './client.ts';
import type { KafkaSourceConfig } from './config.ts';
import { groupOf } from './group-name.ts';
import { GroupSource } from './group-source.ts';
import { checkKafkaSource } from './source-check.ts';
import { StartOffsets } from './start-offsets.ts';
import { TopicCatalog } from './topic-catalog.ts';
import { selectTopics } from './topic-pattern.ts';

/** The `kafka` source: a member of a consumer group, which commits strictly behind the acknowledgement of the sink. */
export const kafkaSource: SourceConnector<KafkaSourceConfig> = { open: openKafkaSource, check: checkKafkaSource };

async function openKafkaSource(config: KafkaSourceConfig, context: SourceContext): Promise<Source> {
  const { decoder, logger, signal } = context;
  if (decoder === undefined) throw new Error('a kafka source needs a decoder');
  if (context.onPositionLost === 'resnapshot') throw noSnapshots();
  await using opening = new AsyncDisposableStack();
  const client = opening.use(await KafkaClient.open(config, signal));
  // A broker works on one request of a connection at a time: a heartbeat must not wait behind a fetch.
  const groupClient = opening.use(await KafkaClient.open(config, signal));
  const catalog = new TopicCatalog(client, selectTopics(config.topics));
  await catalog.refresh(signal);
  const { missing } = catalog;
  if (missing.length > 0) logger.warn({ topics: missing }, 'topics do not exist yet; they are read once they do');
  const starts = new StartOffsets({ client, catalog, startAt: config.startAt });
  const group = groupOf(config, context.pipeline);
  const source = new GroupSource({ config, context, decoder, group, client, groupClient, catalog, starts });
  opening.move();
  return source;
}

function noSnapshots(): SluiceError {
  return new SluiceError('a topic cannot be snapshotted again when its messages are gone', {
    kind: 'config',
    code: 'kafka.no-snapshots',
    hint: 'Set `onPositionLost` of the pipeline to `fail` or `skip`.',
  });
}
