import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JetStreamClient, jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Position } from '../../core/position.ts';
import { testNats } from '../../testing/servers/nats.ts';
import { NatsClient } from './client.ts';
import { natsSinkConfig } from './config.ts';
import { addStream, settingsFor } from './sink-fixture.ts';
import { storedIdsSince } from './stored-messages.ts';

const signal = new AbortController().signal;

function positionAt(t: number): Position {
  const token = `82${t.toString(16).padStart(8, '0')}${'0'.repeat(7)}1AB`.toUpperCase();
  return { token, clusterTime: { t, i: 1 } };
}

const tokensAt = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => positionAt(from + index).token);

async function publishAll(stream: JetStreamClient, subject: string, ids: readonly string[]): Promise<void> {
  for (let start = 0; start < ids.length; start += 500) {
    await Promise.all(ids.slice(start, start + 500).map((msgID) => stream.publish(subject, '', { msgID })));
  }
}

/** Which of the ids are found from `first` on, in a stream of messages without the headers of Sluice. */
async function foundSince(first: Position, ids: readonly string[], messageIdPrefix: string): Promise<Set<string>> {
  const servers = await testNats();
  const settings = settingsFor(servers);
  const { stream } = settings;
  await addStream(servers, { name: stream, subjects: [`${stream}.>`] });
  await using client = await NatsClient.open(natsSinkConfig.parse(settings), signal);
  const connection = await connect({ servers: [...servers] });
  await publishAll(jetstream(connection, { timeout: 60_000 }), `${stream}.a`, ids);
  await connection.close();
  const range = { client, stream: { name: stream, retention: 'limits' }, from: 1, to: ids.length, signal };
  return await storedIdsSince(first, range, { messageIdPrefix, timeHeader: 'sluice.ts' });
}

test('without headers, the token in the message id tells where the search may end', async () => {
  const ids = tokensAt(1000, 3000).map((token) => `p/${token}`);
  const found = await foundSince(positionAt(3990), ids, 'p/');
  assert.deepEqual([...found], ids.slice(2990));
});

test('ids without a prefix: another pipeline that is behind does not end the search', async () => {
  const [ours, theirs] = [tokensAt(10_000, 2500), tokensAt(1000, 100)];
  const found = await foundSince(positionAt(10_000), [...tokensAt(5000, 2000), ...ours, ...theirs], '');
  assert.deepEqual([...found].sort(), ours);
});
