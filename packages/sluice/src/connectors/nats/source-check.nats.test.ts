import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../core/logger.ts';
import { testNats } from '../../testing/servers/nats.ts';
import { natsSourceConfig } from './config.ts';
import { natsSource } from './source.ts';
import { prepareStream, startWorker } from './source-fixture.ts';

const servers = await testNats();
const options = { timeout: 180_000 };

async function findings(settings: object) {
  const context = { pipeline: 'test', partition: 'test/0', logger: silentLogger, signal: new AbortController().signal };
  const all = await natsSource.check(natsSourceConfig.parse(settings), context);
  return all.map(({ check, level, message }) => `${check} ${level}: ${message}`);
}

test('a stream that exists, before there is a consumer and after', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  const before = await findings(settings);
  assert.deepEqual(before.slice(1), [
    `nats.stream ok: the stream "${stream}" exists`,
    'nats.consumer ok: the consumer "sluice-test" does not exist; it will be created',
  ]);
  await (await startWorker(settings))[Symbol.asyncDispose]();
  assert.equal((await findings(settings)).at(-1), 'nats.consumer ok: the consumer "sluice-test" can be used; 0 wait');
  assert.equal(
    (await findings({ ...settings, maxAckPending: 5 })).at(-1),
    'nats.consumer error: the consumer "sluice-test" has maxAckPending 10000, the configuration says 5',
  );
});

test('subjects of the stream that no partition has are named', options, async () => {
  const { stream, settings } = await prepareStream(servers);
  const found = await findings({ ...settings, partitions: [[`${stream}.a`]] });
  assert.ok(
    found.includes(`nats.partitions warning: the stream takes ${stream}.>, which no partition has as a whole`),
    found.join('\n'),
  );
});

test('a stream and a server that are not there', options, async () => {
  const { settings } = await prepareStream(servers);
  assert.equal(
    (await findings({ ...settings, stream: 'Nowhere' })).at(-1),
    'nats.stream error: the stream "Nowhere" does not exist',
  );
  assert.match((await findings({ ...settings, servers: ['127.0.0.1:1'] })).at(-1) ?? '', /^nats.reachable error/);
});
