import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { shownUrl, webhookSinkConfig } from './config.ts';

const parse = (settings: Record<string, unknown>) => webhookSinkConfig.safeParse(settings);

test('an address and nothing else is enough', () => {
  const { data } = parse({ url: 'https://api.example.com/hooks/{db}/{coll}?v=1' });
  assert.deepEqual([data?.timeout, data?.attempts, data?.breaker.failures], [15_000, 3, 5]);
  assert.equal(shownUrl(data as NonNullable<typeof data>), 'https://api.example.com');
});

const refused: Readonly<Record<string, readonly [Record<string, unknown>, RegExp]>> = {
  'http without leave': [{ url: 'http://api.example.com/' }, /must start with https:\/\/ unless `allowHttp` is set/],
  'another scheme': [{ url: 'ftp://api.example.com/' }, /must start with https/],
  'a login in the URL': [{ url: 'https://u:pa55word@api.example.com/' }, /must not hold a login: use `auth`/],
  'a placeholder in the host': [{ url: 'https://{db}.example.com/' }, /placeholders in the host/],
  'an unknown placeholder': [{ url: 'https://api.example.com/{key}' }, /without spaces/],
  'a fragment': [{ url: 'https://api.example.com/#x' }, /fragment/],
  Host: [{ url: 'https://a.example', headers: { Host: 'b' } }, /connection or this sink sets/],
  'a hop header': [
    { url: 'https://a.example', headers: { 'transfer-encoding': 'chunked' } },
    /connection or this sink/,
  ],
  'a signature header': [{ url: 'https://a.example', secretHeaders: { 'webhook-id': '1' } }, /connection or this sink/],
  'a line break in a header': [{ url: 'https://a.example', headers: { 'x-a': 'b\r\nhost: c' } }, /visible ASCII/],
  'a line break in a secret': [{ url: 'https://a.example', secretHeaders: { 'x-a': 'b\nc' } }, /visible ASCII/],
  'a line break in the name': [{ url: 'https://a.example', headers: { 'x\r\ny': 'b' } }, /name of a header/],
  'a login in the open': [{ url: 'https://a.example', headers: { Authorization: 'Bearer x' } }, /secretHeaders/],
  'a key that is none': [{ url: 'https://a.example', signing: ['secret'] }, /whsec_/],
  'a range that is none': [{ url: 'https://a.example', allowPrivate: ['10.0.0.1'] }, /range of addresses/],
};

for (const [what, [settings, expected]] of Object.entries(refused)) {
  test(`${what} is refused`, () => {
    const { error } = parse(settings);
    assert.match(error?.issues.map((issue) => issue.message).join('\n') ?? '', expected);
    assert.doesNotMatch(inspect(error), /pa55word/);
  });
}

test('private addresses are refused however they are written', () => {
  const spellings = [
    '127.0.0.1',
    '0x7f.1',
    '2130706433',
    '127.1',
    '0177.0.0.1',
    '①②⑦.⓪.⓪.①',
    '0',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::]',
    '169.254.169.254',
    '[fd00:ec2::254]',
    '10.0.0.1:8443',
  ];
  for (const host of spellings) {
    const { error } = parse({ url: `https://${host}/` });
    assert.match(error?.issues[0]?.message ?? '', /is an address of a (private|special) range/, host);
  }
  assert.ok(parse({ url: 'https://127.0.0.1/', allowPrivate: true }).success);
  assert.ok(!parse({ url: 'https://169.254.169.254/', allowPrivate: true }).success);
  assert.ok(parse({ url: 'https://169.254.169.254/', allowPrivate: ['169.254.169.254/32'] }).success);
});

test('secrets do not print', () => {
  const { data } = parse({
    url: 'https://a.example/T0/s3cr3t',
    auth: { method: 'bearer', token: 's3cr3t' },
    secretHeaders: { 'x-key': 's3cr3t' },
    signing: [`whsec_${Buffer.alloc(32, 's3cr3t').toString('base64')}`],
  });
  assert.ok(data);
  assert.doesNotMatch(`${JSON.stringify(data)}${inspect(data, { depth: 9 })}${shownUrl(data)}`, /s3cr3t|whsec/);
});
