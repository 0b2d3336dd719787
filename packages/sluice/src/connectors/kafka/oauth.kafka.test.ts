import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { SluiceError } from '../../core/failure.ts';
import { testEvent } from '../../testing/events.ts';
import { type KafkaServer, startKafka } from '../../testing/servers/kafka.ts';
import { writeEvents } from '../../testing/sink-writes.ts';
import { openSink, uniqueName } from './sink-fixture.ts';

const options = { timeout: 300_000 };
const BEARER = 'listener.name.client.oauthbearer';
const MODULE = 'org.apache.kafka.common.security';

let kafka: KafkaServer;

before(async () => {
  // The broker of the test bed offers SCRAM; here it is told to offer two other mechanisms instead. Without further
  // settings it takes unsigned tokens (RFC 7519, section 6).
  kafka = await startKafka({
    sasl: 'scram-sha-256',
    config: {
      'sasl.enabled.mechanisms': 'OAUTHBEARER,PLAIN',
      [`${BEARER}.sasl.jaas.config`]: `${MODULE}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
      'listener.name.client.plain.sasl.jaas.config': `${MODULE}.plain.PlainLoginModule required user_sluice="canary-plain";`,
    },
  });
}, options);

after(() => kafka[Symbol.asyncDispose]());

function unsignedToken(subject: string): string {
  const now = Math.floor(Date.now() / 1000);
  const part = (content: object) => Buffer.from(JSON.stringify(content)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: now, exp: now + 3600 })}.`;
}

interface TokenRequest {
  readonly authorization: string | undefined;
  readonly body: string;
}

async function tokenEndpoint(answer: (request: TokenRequest) => string | undefined): Promise<Server> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const token = answer({ authorization: request.headers.authorization, body });
      response.writeHead(token === undefined ? 401 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(token === undefined ? { error: 'canary-answer' } : { access_token: token }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function writeOne(sasl: object): Promise<void> {
  await using sink = await openSink({ brokers: kafka.brokers, topic: uniqueName(), sasl });
  assert.equal((await writeEvents(sink, [testEvent()])).delivered, 1);
}

async function failure(work: Promise<unknown>): Promise<SluiceError> {
  const error = await work.then(
    () => assert.fail('it should have failed'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SluiceError, inspect(error));
  assert.doesNotMatch(inspect(error, { depth: 12, showHidden: true }), /canary/);
  return error;
}

test('a token from the settings', options, async () => {
  await writeOne({ mechanism: 'oauthbearer', token: unsignedToken('sluice') });
  const error = await failure(writeOne({ mechanism: 'oauthbearer', token: 'canary-token' }));
  assert.deepEqual([error.kind, error.code], ['transient', 'kafka.authentication']);
});

test('a token from an endpoint, fetched with the client credentials', options, async () => {
  const requests: TokenRequest[] = [];
  const server = await tokenEndpoint((request) => {
    requests.push(request);
    return unsignedToken('sluice');
  });
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
    await writeOne({
      mechanism: 'oauthbearer',
      tokenEndpoint: { url, clientId: 'sluice:1', clientSecret: 'p w', scope: 'kafka' },
    });
    assert.ok(requests.length > 0);
    assert.equal(requests[0]?.authorization, `Basic ${Buffer.from('sluice%3A1:p+w').toString('base64')}`);
    assert.equal(requests[0]?.body, 'grant_type=client_credentials&scope=kafka');
  } finally {
    server.close();
  }
});

test(
  'an endpoint that gives no token, or does not answer, is a login that failed, and shows nothing',
  options,
  async () => {
    const server = await tokenEndpoint(() => undefined);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
    const tokenEndpointOf = (address: string) => ({ url: address, clientId: 'sluice', clientSecret: 'canary-secret' });
    try {
      const refused = await failure(writeOne({ mechanism: 'oauthbearer', tokenEndpoint: tokenEndpointOf(url) }));
      assert.deepEqual([refused.kind, refused.code], ['transient', 'kafka.authentication']);
      const nobody = await failure(
        writeOne({ mechanism: 'oauthbearer', tokenEndpoint: tokenEndpointOf('http://127.0.0.1:1/') }),
      );
      assert.equal(nobody.kind, 'transient');
    } finally {
      server.close();
    }
  },
);

test('user name and password in plain', options, async () => {
  await writeOne({ mechanism: 'plain', username: 'sluice', password: 'canary-plain' });
  const error = await failure(writeOne({ mechanism: 'plain', username: 'sluice', password: 'canary-wrong' }));
  assert.equal(error.code, 'kafka.authentication');
});
