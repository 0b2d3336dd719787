import { test } from 'node:test';
import { startMongo } from '../../src/testing/servers/mongo.ts';
import { startNats } from '../../src/testing/servers/nats.ts';
import { badNetworkRun } from '../bad-network-run.ts';
import { waitUntilSame } from '../worker-bed.ts';

test('connections to NATS and to a target behind it break again and again: the target is equal in the end', {
  timeout: 600_000,
}, async (t) => {
  await using nats = await startNats();
  await using server = await startMongo();
  const database = `copy_${process.pid}`;
  await badNetworkRun(t, {
    ports: [Number(new URL(`nats://${nats.servers[0]}`).port), Number(new URL(server.uri).port)],
    pipelines: (source, [broker, target], id) => {
      const stream = `network-${id}`;
      const servers = [broker];
      const format = { name: 'change', json: 'bson' };
      return {
        [`${stream}-in`]: { source, sink: { nats: { servers, stream, subject: `${stream}.{coll}`, format } } },
        [`${stream}-out`]: {
          source: { nats: { servers, stream, durable: stream } },
          sink: { mongodb: { uri: `mongodb://${target}/?directConnection=true`, database, missingDocument: 'skip' } },
        },
      };
    },
    untilEqual: (source, collections, timeoutMs) =>
      waitUntilSame({ source, target: { uri: server.uri, db: database }, collections, timeoutMs }),
  });
});
