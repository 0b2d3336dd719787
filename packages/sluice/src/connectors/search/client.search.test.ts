import assert from 'node:assert/strict';
import { createPrivateKey, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { SluiceError } from '../../core/failure.ts';
import { testSearch } from '../../testing/servers/search.ts';
import { type FrontOptions, type SecureFront, secureFront } from '../../testing/servers/secure-front.ts';
import { sinkContext } from '../../testing/sink-writes.ts';
import { checkSearchSink } from './check.ts';
import type { SearchClient } from './client.ts';
import { aRequest, openClient, settingsOf } from './client-fixture.ts';

const prefix = `client-${randomBytes(4).toString('hex')}`;
/** What has to be encoded in a path, and once more in a signature. */
const INDEX = `${prefix}.bücher+日本@x`;

let url: string;

before(async () => {
  url = await testSearch();
});

after(async () => {
  await using client = await openClient([url]);
  const doing = 'clean up';
  for (const index of [INDEX, `${prefix}-blocked`]) {
    await client.request(aRequest({ method: 'DELETE', path: `/${encodeURIComponent(index)}`, doing }));
  }
});

async function failureOf(promise: Promise<unknown>): Promise<SluiceError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof SluiceError, inspect(error));
    return error;
  }
  return assert.fail('it did not fail');
}

/** Writes with everything that can be special about a request, and reads it back. */
async function writeAndRead(client: SearchClient): Promise<void> {
  const path = `/${encodeURIComponent(INDEX)}`;
  const id = randomBytes(4).toString('hex');
  const lines = [
    `{"index":{"_id":"ü ${id}","version":7,"version_type":"external"}}\n`,
    `{"text":"${'ä'.repeat(2_000)}"}\n`,
    `{"delete":{"_id":"not ${id}","version":8,"version_type":"external"}}\n`,
  ];
  const bulk = await client.json<{ readonly errors: boolean; readonly items: readonly object[] }>(
    aRequest({
      method: 'POST',
      path: `${path}/_bulk?filter_path=errors,items.*.status&refresh`,
      body: lines.map((line) => Buffer.from(line)),
      contentType: 'application/x-ndjson',
    }),
  );
  assert.equal(bulk.status, 200);
  assert.deepEqual(bulk.value.items, [{ index: { status: 201 } }, { delete: { status: 404 } }]);
  const document = `${path}/_doc/${encodeURIComponent(`ü ${id}`)}?_source_excludes=a,b`;
  const read = await client.json<{ readonly _version: number }>(aRequest({ path: document }));
  assert.equal(read.value._version, 7);
  const missing = await client.request(aRequest({ method: 'HEAD', path: `${path}/_doc/none` }));
  assert.equal(missing.status, 404);
}

test('a server is known, written to and read, with packed requests and without', async () => {
  for (const compression of ['none', 'gzip']) {
    await using client = await openClient([url], { compression });
    assert.match(client.product.name, /^(opensearch|elasticsearch)$/);
    assert.ok(client.product.major >= 1 && client.product.version !== '');
    await writeAndRead(client);
  }
});

test('what the server refuses of one request is for the caller', async () => {
  await using client = await openClient([url]);
  const bad = await client.json<{ readonly error: { readonly type: string } }>(
    aRequest({ method: 'PUT', path: `/${prefix}-UPPER`, body: '{}' }),
  );
  assert.deepEqual([bad.status, bad.value.error.type], [400, 'invalid_index_name_exception']);
  const none = await client.request(aRequest({ path: `/${prefix}-none/_settings` }));
  assert.equal(none.status, 404);
  const method = await failureOf(client.request(aRequest({ method: 'POST', path: `/${prefix}-none` })));
  assert.deepEqual([method.kind, method.code], ['config', 'search.refused']);
});

test('a blocked index is waited for', async () => {
  await using client = await openClient([url]);
  const index = `/${prefix}-blocked`;
  const body = JSON.stringify({ settings: { number_of_replicas: 0, 'blocks.write': true } });
  assert.equal((await client.request(aRequest({ method: 'PUT', path: index, body }))).status, 200);
  const error = await failureOf(
    client.request(
      aRequest({ method: 'PUT', path: `${index}/_doc/1`, body: '{}', doing: `write to ${index.slice(1)}` }),
    ),
  );
  assert.deepEqual([error.kind, error.code], ['transient', 'search.blocked']);
  assert.match(error.message, new RegExp(`^cannot write to ${prefix}-blocked: .*403 cluster_block_exception`));
});

/** The settings that get a client in, for each way that a front can ask for. */
const WAYS: readonly (readonly [string, FrontOptions, (front: SecureFront) => Record<string, unknown>])[] = [
  [
    'basic',
    { auth: 'basic', tls: true },
    ({ login }) => ({ auth: { basic: { username: login?.user, password: login?.password } } }),
  ],
  ['encoded API key', { auth: 'api-key', tls: true }, ({ apiKey }) => ({ auth: { apiKey: apiKey?.encoded } })],
  ['API key', { auth: 'api-key' }, ({ apiKey }) => ({ auth: { apiKey: { id: apiKey?.id, key: apiKey?.key } } })],
  [
    'client certificate',
    { tls: 'mutual' },
    ({ tls }) => ({ tls: { cert: tls?.clientCertificateFile, key: tls?.clientKeyFile } }),
  ],
  ['signature', { auth: 'sigv4', tls: true }, ({ aws }) => ({ auth: { aws: awsSettings(aws) } })],
  [
    'signature for Serverless',
    { auth: 'sigv4', aws: { service: 'aoss' } },
    ({ aws }) => ({ auth: { aws: awsSettings(aws) } }),
  ],
  [
    'signature with a session',
    { auth: 'sigv4', aws: { sessionToken: 'FwoGZXIvYXdzEJr//token==', region: 'us-gov-west-1' } },
    ({ aws }) => ({ auth: { aws: awsSettings(aws) } }),
  ],
];

function awsSettings(aws: SecureFront['aws']): Record<string, unknown> {
  assert.ok(aws !== undefined);
  const { region, service, accessKeyId, secretAccessKey, sessionToken } = aws;
  return { region, service, accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

/** With the authority of the front, where it speaks TLS. */
function withAuthority(front: SecureFront, settings: Record<string, unknown>): Record<string, unknown> {
  if (front.tls === undefined) return settings;
  return { ...settings, tls: { ca: front.tls.caFile, ...(settings['tls'] as object | undefined) } };
}

/** Every text that must not be seen anywhere. */
function secretsOf({ login, apiKey, aws }: SecureFront): readonly string[] {
  return [login?.password, apiKey?.key, apiKey?.encoded, aws?.secretAccessKey, aws?.sessionToken].filter(
    (text) => text !== undefined,
  );
}

test('every way to log in gets every kind of request in, and one that is revoked is told', async () => {
  for (const [name, options, settings] of WAYS) {
    await using front = await secureFront(url, options);
    const all = withAuthority(front, settings(front));
    for (const compression of ['none', 'gzip']) {
      await using client = await openClient([front.url], { ...all, compression });
      await writeAndRead(client);
    }
    assert.deepEqual(front.refusals, [], name);
    if (options.auth === undefined) continue;
    await using client = await openClient([front.url], all);
    front.revoked = true;
    const error = await failureOf(client.request(aRequest()));
    assert.equal(error.kind, 'config', name);
    assert.equal(error.code, options.auth === 'sigv4' ? 'search.authorization' : 'search.authentication', name);
    const shown =
      inspect([error, client, settingsOf([front.url], all)], { depth: null, showHidden: true }) + error.hint;
    for (const secret of secretsOf(front)) assert.ok(!shown.includes(secret), `${name} shows its secret`);
  }
});

test('a wrong login does not get in', async () => {
  const wrong: readonly (readonly [FrontOptions, Record<string, unknown>, string])[] = [
    [{ auth: 'basic' }, {}, 'search.authentication'],
    [{ auth: 'basic' }, { auth: { basic: { username: 'sluice', password: 'canary' } } }, 'search.authentication'],
    [{ auth: 'api-key' }, { auth: { apiKey: 'canary' } }, 'search.authentication'],
  ];
  for (const [options, settings, code] of wrong) {
    await using front = await secureFront(url, options);
    const error = await failureOf(openClient([front.url], settings));
    assert.equal(error.code, code);
    assert.doesNotMatch(inspect(error), /canary/);
    assert.equal(front.forwarded, 0);
  }
  await using front = await secureFront(url, { auth: 'sigv4' });
  const keys = { ...awsSettings(front.aws), secretAccessKey: 'canary' };
  await using client = await openClient([front.url], { auth: { aws: keys } });
  const error = await failureOf(client.request(aRequest()));
  assert.equal(error.code, 'search.authorization');
  assert.match(error.hint ?? '', /clock/);
  assert.doesNotMatch(inspect(error), /canary/);
  assert.equal(front.forwarded, 0);
});

test('certificates are checked against the authority and the name, unless nothing must be', async () => {
  await using front = await secureFront(url, { tls: true });
  await using other = await secureFront(url, { tls: true });
  const ca = front.tls?.caFile;
  const refused: readonly (readonly [string, Record<string, unknown>])[] = [
    [front.url, {}],
    [front.url, { tls: { ca: other.tls?.caFile } }],
    [front.url, { tls: { ca, serverName: 'search.example' } }],
    [url.replace('http:', 'https:'), { tls: { ca } }],
  ];
  for (const [node, settings] of refused) {
    const error = await failureOf(openClient([node], settings));
    assert.deepEqual([error.kind, error.code], ['transient', 'search.tls'], error.message);
  }
  assert.equal(front.forwarded, 0);
  const accepted: readonly Record<string, unknown>[] = [
    { ca },
    { ca, serverName: 'localhost' },
    { insecure: true },
    { insecure: true, serverName: 'search.example' },
  ];
  for (const tls of accepted) {
    await using client = await openClient([front.url], { tls });
    assert.match(client.product.name, /^(opensearch|elasticsearch)$/);
  }
});

test('a key with a passphrase is used, and a wrong passphrase is told without it', async () => {
  await using front = await secureFront(url, { tls: 'mutual' });
  const { caFile: ca, clientCertificateFile: cert, clientKeyFile } = front.tls ?? assert.fail('no certificates');
  const key = `${clientKeyFile}.locked`;
  const locked = createPrivateKey(readFileSync(clientKeyFile)).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'canary-right',
  });
  writeFileSync(key, locked);
  await using client = await openClient([front.url], { tls: { ca, cert, key, keyPassphrase: 'canary-right' } });
  assert.equal((await client.request(aRequest({ path: '/' }))).status, 200);
  for (const more of [{ keyPassphrase: 'canary-wrong' }, {}]) {
    const error = await failureOf(openClient([front.url], { tls: { ca, cert, key, ...more } }));
    assert.deepEqual([error.kind, error.code], ['config', 'search.certificate']);
    assert.doesNotMatch(inspect(error), /canary/);
  }
});

test('a server that wants a client certificate gets in nobody without one', async () => {
  await using front = await secureFront(url, { tls: 'mutual' });
  const error = await failureOf(openClient([front.url], { tls: { ca: front.tls?.caFile } }));
  assert.equal(error.kind, 'transient');
  assert.equal(front.forwarded, 0);
});

test('the check finds what is wrong with indexes and logins of a real server', async () => {
  const levels = async (index: string, node = url) => {
    const findings = await checkSearchSink(settingsOf([node], { index }), sinkContext());
    return findings.map(({ check, level }) => `${check} ${level}`);
  };
  // Its health is that of all tests that use it.
  const well = (await levels(`${prefix}-none-{coll}`)).filter((found) => !found.startsWith('search.health'));
  assert.deepEqual(well, ['search.reachable ok', 'search.indexes ok']);
  const bad = await levels(`${prefix}-{coll}`);
  assert.deepEqual(bad.slice(2), [
    'search.indexes ok',
    'search.blocks error',
    'search.gc-deletes warning',
    'search.fields ok',
  ]);
  await using front = await secureFront(url, { auth: 'basic' });
  assert.deepEqual(await levels(`${prefix}-{coll}`, front.url), ['search.reachable error']);
});
