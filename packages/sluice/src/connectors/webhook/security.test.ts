import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { asSluiceError } from '../../core/failure.ts';
import { testEvent } from '../../testing/events.ts';
import { type Certificates, makeCertificates } from '../../testing/servers/certificates.ts';
import { HttpEndpoint } from '../../testing/servers/http-endpoint.ts';
import { sinkContext, writeEvents } from '../../testing/sink-writes.ts';
import { tempDir } from '../../testing/temp-dir.ts';
import { checkWebhookSink } from './check.ts';
import { webhookSinkConfig } from './config.ts';
import { guardedConnector, type Lookup } from './connector.ts';
import { openSink, recordingLogger, settingsFor } from './sink-fixture.ts';

let directory: Awaited<ReturnType<typeof tempDir>>;
let certificates: Certificates;

before(async () => {
  directory = await tempDir();
  certificates = await makeCertificates(directory.path);
});

after(() => directory[Symbol.asyncDispose]());

/** A resolver that gives these addresses, one list per call, the last one for ever. */
function resolvesTo(...answers: readonly (readonly string[])[]): Lookup & { readonly asked: string[] } {
  const asked: string[] = [];
  const lookup = (name: string, _options: unknown, callback: (error: null, addresses: unknown) => void) => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)] ?? [];
    asked.push(name);
    setImmediate(() =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      ),
    );
  };
  return Object.assign(lookup as unknown as Lookup, { asked });
}

test('what a name resolves to is refused when one of its addresses is', async () => {
  await using endpoint = await HttpEndpoint.start();
  for (const addresses of [
    ['127.0.0.1'],
    ['1.1.1.1', '10.0.0.1'],
    ['::ffff:127.0.0.1'],
    ['fd00:ec2::254'],
    ['169.254.169.254'],
  ]) {
    const more = { url: `http://hooks.example.com:${endpoint.port}/`, allowPrivate: false };
    await using sink = await openSink(settingsFor(endpoint, more), {}, { lookup: resolvesTo(addresses) });
    await assert.rejects(
      writeEvents(sink, [testEvent()]),
      { kind: 'config', code: 'webhook.address-refused', message: /^hooks\.example\.com leads to / },
      addresses.join(),
    );
  }
  assert.equal(endpoint.connections, 0);
});

test('a name is looked at again at every connection', async () => {
  await using endpoint = await HttpEndpoint.start();
  endpoint.answering = () => ({ status: 200, headers: { connection: 'close' } });
  const lookup = resolvesTo(['127.0.0.1'], ['127.0.0.2']);
  const more = { url: `http://hooks.example.com:${endpoint.port}/`, allowPrivate: ['127.0.0.1/32'] };
  await using sink = await openSink(settingsFor(endpoint, more), {}, { lookup });
  await writeEvents(sink, [testEvent()]);
  assert.equal(endpoint.requests[0]?.headers.host, `hooks.example.com:${endpoint.port}`);
  await assert.rejects(writeEvents(sink, [testEvent({ sequence: 1 })]), { code: 'webhook.address-refused' });
  assert.deepEqual(lookup.asked, ['hooks.example.com', 'hooks.example.com']);
});

test('an address instead of a name is looked at before connecting, because it is never looked up', async () => {
  await using endpoint = await HttpEndpoint.start();
  const connect = await guardedConnector({ tls: undefined, timeout: 1_000, allowPrivate: false });
  for (const hostname of ['127.0.0.1', '[::1]', '::1', '[::ffff:127.0.0.1]']) {
    const port = String(endpoint.port);
    const error = await new Promise((resolve) => {
      connect({ hostname, host: hostname, port, protocol: 'http:' }, (refused, socket) => {
        socket?.destroy();
        resolve(refused);
      });
    });
    assert.equal((error as { code?: string } | null)?.code, 'webhook.address-refused', hostname);
  }
  assert.equal(endpoint.connections, 0);
});

test('a name that leads to this machine is refused with the resolver of the system too', async () => {
  await using endpoint = await HttpEndpoint.start();
  const more = { url: `http://localhost:${endpoint.port}/`, allowPrivate: false };
  await using sink = await openSink(settingsFor(endpoint, more));
  await assert.rejects(writeEvents(sink, [testEvent()]), { code: 'webhook.address-refused' });
  assert.equal(endpoint.connections, 0);
});

test('proxies of the environment are not used', async (t) => {
  await using endpoint = await HttpEndpoint.start();
  await using proxy = await HttpEndpoint.start();
  for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'NODE_USE_ENV_PROXY']) {
    const old = process.env[name];
    process.env[name] = name.startsWith('NODE') ? '1' : proxy.origin;
    t.after(() => {
      if (old === undefined) delete process.env[name];
      else process.env[name] = old;
    });
  }
  await using sink = await openSink(settingsFor(endpoint));
  await writeEvents(sink, [testEvent()]);
  assert.deepEqual([endpoint.requests.length, proxy.connections], [1, 0]);
});

test('an endpoint with TLS is trusted by its authority only', async () => {
  await using endpoint = await HttpEndpoint.start(certificates);
  const { caFile } = certificates;
  const logger = recordingLogger();
  const stop = new AbortController();
  {
    await using sink = await openSink(settingsFor(endpoint, { breaker: { failures: 1, wait: '1h', maxWait: '1h' } }), {
      logger: { ...logger, warn: (fields, message) => (logger.warn(fields, message), stop.abort()) },
    });
    await assert.rejects(writeEvents(sink, [testEvent()], { signal: stop.signal }), { name: 'AbortError' });
  }
  assert.deepEqual(
    logger.lines.map(({ fields }) => fields['code']),
    ['webhook.tls', 'webhook.tls'],
  );
  assert.equal(endpoint.requests.length, 0);
  await using sink = await openSink(settingsFor(endpoint, { tls: { ca: caFile }, allowHttp: false }));
  assert.equal((await writeEvents(sink, [testEvent()])).delivered, 1);
});

test('a certificate that cannot be read is a mistake of the configuration', async () => {
  const settings = settingsFor({ origin: 'https://127.0.0.1:9' }, { tls: { ca: '/nowhere/ca.pem' } });
  await assert.rejects(openSink(settings), { kind: 'config', code: 'webhook.file' });
});

test('errors and logs hold no secrets', async () => {
  await using endpoint = await HttpEndpoint.start();
  const logger = recordingLogger();
  endpoint.next.push('reset', 500, 401, 410);
  const more = {
    url: `${endpoint.origin}/T0/hush-path?token=hush-query`,
    auth: { method: 'bearer', token: 'hush-token' },
    secretHeaders: { 'x-key': 'hush-header' },
    signing: [`whsec_${Buffer.alloc(24, 'hush').toString('base64')}`],
    breaker: { failures: 1, wait: '1ms', maxWait: '1ms' },
  };
  await using sink = await openSink(settingsFor(endpoint, more), { logger });
  const error = await writeEvents(sink, [testEvent()]).catch(asSluiceError);
  assert.equal((error as { code?: string }).code, 'webhook.gone');
  assert.ok(logger.lines.length >= 4);
  const all = `${inspect(error, { depth: 9 })}${inspect(logger.lines, { depth: 9 })}`;
  assert.doesNotMatch(all, /hush|aHVza|whsec|Bearer/);
});

test('a check connects and sends nothing', async () => {
  await using endpoint = await HttpEndpoint.start(certificates);
  const check = async (more: Record<string, unknown>, lookup?: Lookup) => {
    const config = webhookSinkConfig.parse(settingsFor(endpoint, more));
    const findings = await checkWebhookSink(config, sinkContext(), lookup === undefined ? {} : { lookup });
    return findings.map(({ check, level, message, fix }) => ({ check, level, message, fix }));
  };
  const good = await check({
    tls: { ca: certificates.caFile },
    signing: [`whsec_${Buffer.alloc(24).toString('base64')}`],
  });
  assert.deepEqual(
    good.map(({ check, level }) => [check, level]),
    [['webhook.reachable', 'ok']],
  );
  const [untrusted, unsigned] = await check({});
  assert.deepEqual([untrusted?.level, unsigned?.check, unsigned?.level], ['error', 'webhook.signing', 'warning']);
  assert.match(untrusted?.message ?? '', /no TLS connection/);
  const [refused] = await check({ url: 'https://hooks.example.com', allowPrivate: false }, resolvesTo(['10.0.0.1']));
  assert.match(refused?.message ?? '', /leads to 10\.0\.0\.1/);
  const [unknown] = await check({ url: 'https://hooks.invalid' });
  assert.equal(unknown?.level, 'error');
  assert.equal(endpoint.requests.length, 0);
});
