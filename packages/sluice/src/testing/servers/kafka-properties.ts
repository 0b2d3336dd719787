import { join } from 'node:path';
import type { KafkaSecurity } from './kafka-security.ts';

/** The ports of one broker. */
export interface KafkaPorts {
  readonly client: number;
  readonly plain: number;
  readonly controller: number;
}

/** What the settings of a broker are made from. */
export interface BrokerPlan {
  readonly dir: string;
  readonly ports: KafkaPorts;
  readonly security: KafkaSecurity;
  readonly overrides: Readonly<Record<string, string>>;
}

/** One broker without peers on a small machine: nothing replicated, few threads, no waiting for group members. */
const SMALL_MACHINE = {
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '4',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'default.replication.factor': '1',
  'min.insync.replicas': '1',
  'auto.create.topics.enable': 'false',
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1000',
  // A killed member is noticed after this long; the broker's default is 45 s.
  'group.consumer.min.session.timeout.ms': '1000',
  'group.consumer.session.timeout.ms': '6000',
  'group.consumer.min.heartbeat.interval.ms': '500',
  'group.consumer.heartbeat.interval.ms': '1000',
  'num.network.threads': '2',
  'num.io.threads': '4',
  'num.recovery.threads.per.data.dir': '1',
  'background.threads': '2',
  'log.cleaner.threads': '1',
  'log.cleaner.dedupe.buffer.size': '4194304',
  'log.segment.bytes': '268435456',
  'log.retention.check.interval.ms': '60000',
  // The controller keeps a killed broker's registration for the session time-out: it must be over before a restart.
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
} as const;

/** The text of `server.properties`. */
export function brokerProperties(plan: BrokerPlan): string {
  const { dir, ports, security } = plan;
  const protocol = clientProtocol(security);
  const settings: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: [
      `CLIENT://127.0.0.1:${ports.client}`,
      `PLAIN://127.0.0.1:${ports.plain}`,
      `CONTROLLER://127.0.0.1:${ports.controller}`,
    ].join(','),
    'listener.security.protocol.map': `CLIENT:${protocol},PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'inter.broker.listener.name': 'PLAIN',
    'log.dirs': join(dir, 'data'),
    ...SMALL_MACHINE,
    ...loginSettings(security),
    ...tlsSettings(security),
    ...plan.overrides,
  };
  return `${Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')}\n`;
}

function clientProtocol({ login, tls }: KafkaSecurity): string {
  if (login === undefined) return tls === undefined ? 'PLAINTEXT' : 'SSL';
  return tls === undefined ? 'SASL_PLAINTEXT' : 'SASL_SSL';
}

function loginSettings({ login }: KafkaSecurity): Record<string, string> {
  if (login === undefined) return {};
  const prefix = `listener.name.client.${login.mechanism.toLowerCase()}`;
  return {
    'sasl.enabled.mechanisms': login.mechanism,
    [`${prefix}.sasl.jaas.config`]: 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
  };
}

/** PEM files as they come from openssl: Kafka reads them, so that no key store has to be made. */
function tlsSettings({ tls }: KafkaSecurity): Record<string, string> {
  if (tls === undefined) return {};
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': tls.files.serverFile,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': tls.files.caFile,
    'ssl.client.auth': 'requested',
  };
}
