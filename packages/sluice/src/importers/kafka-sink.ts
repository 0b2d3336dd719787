import type { KafkaCluster } from './kafka-cluster.ts';
import type { Ledger } from './ledger.ts';

/** The `kafka` section of a sink with a topic and a format. */
export function kafkaSink(cluster: KafkaCluster, parts: KafkaSinkParts): Readonly<Record<string, unknown>> {
  const { brokers, tls, sasl, compression } = cluster;
  const { topic, format, createTopics, delivery } = parts;
  return { brokers, tls, sasl, topic, createTopics, compression, delivery, headers: { enabled: false }, format };
}

/** What differs between sinks of one cluster. */
export interface KafkaSinkParts {
  readonly topic: string;
  readonly format: unknown;
  readonly createTopics: unknown;
  readonly delivery: string | undefined;
}

const PREFIX = 'topic.creation.default.';

/** How topics are made, from the default group of the connector and the permission of the worker. */
export function createTopicsOf(connector: Ledger, worker: Ledger | undefined): unknown {
  const path = 'sink.kafka.createTopics';
  const allowed = worker?.flag('topic.creation.enable', true) ?? true;
  worker?.mapped('topic.creation.enable', `${path}.enabled`);
  connector.note('topic.creation.groups', 'not-supported', 'only the default group is known here');
  const settings: Record<string, unknown> = allowed ? {} : { enabled: false };
  const config: Record<string, string> = {};
  for (const option of connector.names().filter((name) => name.startsWith(PREFIX))) {
    const name = option.slice(PREFIX.length);
    const value = connector.text(option) ?? '';
    if (name === 'partitions' || name === 'replication.factor') {
      const key = name === 'partitions' ? 'partitions' : 'replicationFactor';
      // -1 stands for the setting of the broker, which is the default here.
      if (Number(value) > 0) settings[key] = Number(value);
      connector.mapped(option, `${path}.${key}`);
    } else if (name === 'include' || name === 'exclude') {
      connector.note(option, 'not-needed', 'the settings hold for every topic');
    } else {
      config[name] = value;
      connector.mapped(option, `${path}.config`);
    }
  }
  if (Object.keys(config).length > 0) settings['config'] = config;
  return Object.keys(settings).length === 0 ? undefined : settings;
}

/** Exactly-once where the worker gives it to source connectors. */
export function deliveryOf(worker: Ledger | undefined): string | undefined {
  const enabled = worker?.text('exactly.once.source.support')?.toLowerCase() === 'enabled';
  worker?.mapped('exactly.once.source.support', 'sink.kafka.delivery');
  return enabled ? 'exactly-once' : undefined;
}
