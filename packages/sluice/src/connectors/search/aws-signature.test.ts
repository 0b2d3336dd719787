import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { SluiceError } from '../../core/failure.ts';
import { Secret } from '../../settings/secret.ts';
import type { UnsignedRequest } from './auth.ts';
import { awsSigner, signRequest } from './aws-signature.ts';

/*
 * Expected signatures are those that Amazon publishes: the Signature Version 4 test suite (service `service`), and the
 * examples of "Authenticating Requests: Using the Authorization Header" in the S3 API reference.
 */

const SUITE = {
  region: 'us-east-1',
  service: 'service',
  credentials: {
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: new Secret('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'),
    sessionToken: undefined,
  },
};

const SUITE_TOKEN =
  'AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==';

const S3 = {
  region: 'us-east-1',
  service: 's3',
  credentials: {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: new Secret('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'),
    sessionToken: undefined,
  },
};

function suiteRequest(change: Partial<UnsignedRequest>): UnsignedRequest {
  const headers = { 'x-amz-date': '20150830T123600Z', ...change.headers };
  return { method: 'GET', path: '/', body: undefined, host: 'example.amazonaws.com', ...change, headers };
}

function s3Request(change: Partial<UnsignedRequest>): UnsignedRequest {
  const hash = createHash('sha256')
    .update(change.body ?? '')
    .digest('hex');
  const headers = { 'x-amz-date': '20130524T000000Z', 'x-amz-content-sha256': hash, ...change.headers };
  return { method: 'GET', path: '/', body: undefined, host: 'examplebucket.s3.amazonaws.com', ...change, headers };
}

function signatureOf(headers: Readonly<Record<string, string>>): string | undefined {
  return /Signature=([0-9a-f]{64})$/.exec(headers['Authorization'] ?? '')?.[1];
}

test("requests of Amazon's test suite get the signatures that it says", () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const cases: readonly (readonly [string, UnsignedRequest, string])[] = [
    ['get-vanilla', suiteRequest({}), '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    [
      'get-vanilla-query-order-key-case',
      suiteRequest({ path: '/?Param2=value2&Param1=value1' }),
      'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    ],
    [
      'get-unreserved',
      suiteRequest({ path: '/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz' }),
      '07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f',
    ],
    [
      'post-vanilla',
      suiteRequest({ method: 'POST' }),
      '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
    ],
    [
      'post-x-www-form-urlencoded',
      suiteRequest({ method: 'POST', headers: form, body: Buffer.from('Param1=value1') }),
      'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
    ],
  ];
  for (const [name, request, expected] of cases) {
    assert.equal(signatureOf(signRequest(request, SUITE).headers), expected, name);
  }
  const temporary = { ...SUITE, credentials: { ...SUITE.credentials, sessionToken: new Secret(SUITE_TOKEN) } };
  assert.equal(
    signatureOf(signRequest(suiteRequest({ method: 'POST' }), temporary).headers),
    '85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead',
    'post-sts-header-before',
  );
});

test('requests that carry the hash of their body get the signatures of the published examples', () => {
  const cases: readonly (readonly [string, UnsignedRequest, string])[] = [
    [
      'list objects',
      s3Request({ path: '/?max-keys=2&prefix=J' }),
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ],
    [
      'bucket lifecycle',
      s3Request({ path: '/?lifecycle' }),
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ],
  ];
  for (const [name, request, expected] of cases) {
    assert.equal(signatureOf(signRequest(request, S3).headers), expected, name);
  }
});

const WRITE: UnsignedRequest = {
  method: 'POST',
  path: '/shop.orders/_bulk?filter_path=errors,items',
  headers: { 'content-type': 'application/x-ndjson' },
  body: Buffer.from('{"index":{"_id":"ä"}}\n{}\n'),
  host: 'search.example:9200',
};

function refusal(make: () => unknown): SluiceError {
  try {
    make();
  } catch (error) {
    assert.ok(error instanceof SluiceError);
    return error;
  }
  return assert.fail('nothing was thrown');
}

test('every request carries the hash of its bytes, and its length is not signed', () => {
  const sign = awsSigner(
    { region: 'eu-central-1', service: 'aoss', accessKeyId: 'AKIDEXAMPLE', secretAccessKey: new Secret('s3cret') },
    {},
  );
  const { headers, path } = sign(WRITE);
  assert.equal(
    headers['x-amz-content-sha256'],
    createHash('sha256')
      .update(WRITE.body ?? '')
      .digest('hex'),
  );
  assert.equal(path, '/shop.orders/_bulk?filter_path=errors%2Citems');
  assert.match(headers['Authorization'] ?? '', /Credential=AKIDEXAMPLE\/\d{8}\/eu-central-1\/aoss\/aws4_request/);
  assert.match(headers['Authorization'] ?? '', /SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date,/);
  assert.equal(headers['host'], 'search.example:9200');
});

test('region, keys and token come from the environment where the settings do not have them', () => {
  const environment = {
    AWS_DEFAULT_REGION: 'us-west-2',
    AWS_ACCESS_KEY_ID: 'AKIDENV',
    AWS_SECRET_ACCESS_KEY: 'env-secret\n',
    AWS_SESSION_TOKEN: 'env-token',
  };
  const { headers } = awsSigner({ service: 'es' }, environment)(WRITE);
  assert.match(headers['Authorization'] ?? '', /Credential=AKIDENV\/\d{8}\/us-west-2\/es\//);
  assert.equal(headers['X-Amz-Security-Token'], 'env-token');
  const own = { service: 'es', accessKeyId: 'AKIDOWN', secretAccessKey: new Secret('own') } as const;
  const signed = awsSigner(own, environment)(WRITE);
  assert.match(signed.headers['Authorization'] ?? '', /AKIDOWN/);
  assert.equal(signed.headers['X-Amz-Security-Token'], undefined, 'a token belongs to the keys it came with');
});

test('missing credentials are an error of the configuration that shows none', () => {
  const noKeys = refusal(() => awsSigner({ service: 'es', region: 'eu-west-1' }, { AWS_SECRET_ACCESS_KEY: 'canary' }));
  assert.equal(noKeys.kind, 'config');
  assert.equal(noKeys.code, 'search.aws-credentials');
  assert.doesNotMatch(inspect(noKeys), /canary/);
  const noRegion = refusal(() =>
    awsSigner({ service: 'es' }, { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'canary' }),
  );
  assert.match(noRegion.message, /region/);
});
