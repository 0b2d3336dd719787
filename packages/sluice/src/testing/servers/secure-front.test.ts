import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import aws4 from 'aws4';
import { Agent, request } from 'undici';
import { type AwsAccess, signatureProblem } from './aws-signature-check.ts';
import { HttpEndpoint } from './http-endpoint.ts';
import { type FrontOptions, type SecureFront, secureFront } from './secure-front.ts';

/** A front with an endpoint behind it that answers with what it was sent. */
async function withFront(
  options: FrontOptions,
  body: (front: SecureFront, endpoint: HttpEndpoint) => Promise<void>,
): Promise<void> {
  await using endpoint = await HttpEndpoint.start();
  endpoint.answering = ({ method, path, body: sent }) => ({
    status: 201,
    headers: { 'x-seen': `${method} ${path}` },
    body: sent.toString(),
  });
  await using front = await secureFront(endpoint.origin, options);
  await body(front, endpoint);
}

async function post(front: SecureFront, headers: Record<string, string>, dispatcher?: Agent): Promise<string> {
  const options = { method: 'POST', headers, body: '{"a":1}\n' } as const;
  const response = await request(
    `${front.url}/a%2Fb/_bulk?x=1%202&b`,
    dispatcher ? { ...options, dispatcher } : options,
  );
  const text = await response.body.text();
  return response.statusCode === 201 ? `${String(response.headers['x-seen'])} ${text}` : String(response.statusCode);
}

const FORWARDED = 'POST /a%2Fb/_bulk?x=1%202&b {"a":1}\n';
const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

test('requests go through with their path and body, and credentials stop at the front', async () => {
  await withFront({ auth: 'basic' }, async (front, endpoint) => {
    const { user = '', password = '' } = front.login ?? {};
    assert.equal(await post(front, { authorization: basic(user, password), 'x-other': 'kept' }), FORWARDED);
    assert.equal(endpoint.requests[0]?.headers['x-other'], 'kept');
    assert.equal(endpoint.requests[0]?.headers.authorization, undefined);
    assert.deepEqual([front.forwarded, front.refusals], [1, []]);
  });
});

test('a login that is missing, wrong or revoked is refused with 401', async () => {
  await withFront({ auth: 'basic' }, async (front, endpoint) => {
    const { user = '', password = '' } = front.login ?? {};
    assert.equal(await post(front, {}), '401');
    assert.equal(await post(front, { authorization: basic(user, 'x') }), '401');
    front.revoked = true;
    assert.equal(await post(front, { authorization: basic(user, password) }), '401');
    assert.deepEqual([endpoint.requests.length, front.refusals.length], [0, 3]);
  });
});

test('an API key is compared', async () => {
  await withFront({ auth: 'api-key' }, async (front) => {
    const { id, key, encoded } = front.apiKey ?? { id: '', key: '', encoded: '' };
    assert.equal(Buffer.from(encoded, 'base64').toString(), `${id}:${key}`);
    assert.equal(await post(front, { authorization: `ApiKey ${encoded}` }), FORWARDED);
    assert.equal(await post(front, { authorization: `ApiKey ${encoded.slice(1)}` }), '401');
    assert.equal(await post(front, { authorization: basic(id, key) }), '401');
  });
});

test('with TLS the CA is needed, with mutual TLS a certificate too', async () => {
  for (const tls of [true, 'mutual'] as const) {
    await withFront({ tls }, async (front) => {
      const files = front.tls;
      assert.ok(files);
      const [ca, key, cert] = await Promise.all(
        [files.caFile, files.clientKeyFile, files.clientCertificateFile].map((file) => readFile(file)),
      );
      const withCa = new Agent({ connect: { ca } });
      const whole = new Agent({ connect: { ca, key, cert } });
      try {
        assert.equal(await post(front, {}, whole), FORWARDED);
        await assert.rejects(post(front, {}), /certificate/);
        if (tls === true) assert.equal(await post(front, {}, withCa), FORWARDED);
        else await assert.rejects(post(front, {}, withCa), { code: /ERR_SSL|ECONNRESET|UND_ERR_SOCKET/ });
      } finally {
        await Promise.all([withCa.destroy(), whole.destroy()]);
      }
    });
  }
});

function signed(front: SecureFront, changes: Partial<AwsAccess> = {}, path = '/a%2Fb/_bulk?x=1%202&b') {
  const aws = { ...(front.aws as AwsAccess), ...changes };
  const { host } = new URL(front.url);
  const { accessKeyId, secretAccessKey, sessionToken, region, service } = aws;
  const unsigned = {
    host,
    path,
    method: 'POST',
    body: '{"a":1}\n',
    headers: { 'content-type': 'application/json' },
    region,
    service,
  };
  const keys = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  return aws4.sign(unsigned, keys).headers as Record<string, string>;
}

test('a signature is computed anew from what was received', async () => {
  await withFront({ auth: 'sigv4', aws: { sessionToken: 'token/+=' } }, async (front) => {
    assert.equal(await post(front, signed(front)), FORWARDED);
    const wrong: Partial<AwsAccess>[] = [
      { secretAccessKey: 'x' },
      { accessKeyId: 'AKIAX' },
      { region: 'us-east-1' },
      { service: 'aoss' },
      { sessionToken: 'x' },
      { sessionToken: undefined },
    ];
    for (const changes of wrong) assert.equal(await post(front, signed(front, changes)), '403');
    assert.equal(await post(front, signed(front, {}, '/a%2Fb/_bulk?x=1%203&b')), '403');
    assert.equal(await post(front, {}), '403');
    assert.deepEqual(front.refusals.slice(0, 2), ['the signature does not match', 'the access key is not known']);
    front.revoked = true;
    assert.equal(await post(front, signed(front)), '403');
  });
});

test('the signatures of the published examples are right, and any change is found', () => {
  const access: AwsAccess = {
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    sessionToken: undefined,
    region: 'us-east-1',
    service: 'service',
  };
  const examples = [
    ['/', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    ['/?Param2=value2&Param1=value1', 'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500'],
  ] as const;
  const now = Date.UTC(2015, 7, 30, 12, 36);
  for (const [target, signature] of examples) {
    const credential = 'AKIDEXAMPLE/20150830/us-east-1/service/aws4_request';
    const headers = {
      host: 'example.amazonaws.com',
      'x-amz-date': '20150830T123600Z',
      authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host;x-amz-date, Signature=${signature}`,
    };
    const received = { method: 'GET', target: target as string, headers, body: Buffer.alloc(0) };
    assert.equal(signatureProblem(received, access, now), undefined);
    const changed: readonly [typeof received, RegExp][] = [
      [{ ...received, method: 'PUT' }, /does not match/],
      [{ ...received, target: `${target}x` }, /does not match/],
      [{ ...received, body: Buffer.from('x') }, /does not match/],
      [{ ...received, headers: { ...headers, host: 'other' } }, /does not match/],
      [{ ...received, headers: { ...headers, 'x-amz-meta': '1' } as typeof headers }, /x-amz-meta is not signed/],
      [{ ...received, headers: { ...headers, 'x-amz-date': '20150831T123600Z' } }, /not in the scope/],
    ];
    for (const [request, problem] of changed) assert.match(signatureProblem(request, access, now) ?? '', problem);
    assert.match(signatureProblem(received, access, now + 400_000) ?? '', /expired/);
  }
});
