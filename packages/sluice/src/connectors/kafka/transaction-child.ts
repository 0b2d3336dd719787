import { silentLogger } from '../../core/logger.ts';
import { BufferPool } from './buffer-pool.ts';
import { KafkaClient } from './client.ts';
import { codecFor } from './compression.ts';
import { kafkaConnectionConfig } from './config.ts';
import { packKeyed } from './own-records.ts';
import { TopicRegistry } from './topics.ts';
import { TransactionalProducer } from './transactional-producer.ts';

/*
 * A process for tests: takes a transactional id over, writes into a transaction, says so and then does nothing more,
 * so that it can be killed with the transaction open. Arguments: brokers, topic, transactional id, key.
 */

const [brokers = '', topic = '', transactionalId = '', key = ''] = process.argv.slice(2);
const { signal } = new AbortController();
const client = await KafkaClient.open(kafkaConnectionConfig.parse({ brokers: brokers.split(',') }), signal);
const topics = new TopicRegistry(client, { policy: { enabled: true, config: {} }, logger: silentLogger });
await topics.ensure([topic], signal);
const info = topics.get(topic);
if (info === undefined) throw new Error('the topic was looked up');
const producer = await TransactionalProducer.claim(client, topics, {
  transactionalId,
  transactionTimeoutMs: 60_000,
  signal,
});
const batches = await packKeyed(info, [{ key, value: 'in the open transaction' }], {
  codec: codecFor('none'),
  pool: new BufferPool(0),
});
await producer.begin(batches, signal);
await producer.batches.send(batches, signal);
process.stdout.write('written\n');
setInterval(() => {}, 60_000);
