import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressGuard, type AllowedAddresses, isCidr } from './address-guard.ts';

const cases: readonly { allow: AllowedAddresses; expected: string | undefined; addresses: readonly string[] }[] = [
  {
    allow: false,
    expected: 'private',
    addresses: [
      '127.0.0.1',
      '127.255.255.254',
      '10.0.0.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '100.64.0.1',
      '::1',
      '0:0:0:0:0:0:0:1',
      'fc00::1',
      'fdff::1',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '::ffff:10.0.0.1',
      '::ffff:192.168.0.1',
    ],
  },
  {
    allow: true,
    expected: 'special',
    addresses: [
      '0.0.0.0',
      '0.1.2.3',
      '169.254.169.254',
      '::ffff:169.254.169.254',
      '::ffff:a9fe:a9fe',
      '100.100.100.200',
      '168.63.129.16',
      'fd00:ec2::254',
      'fd20:ce::254',
      '224.0.0.1',
      '255.255.255.255',
      '192.0.2.1',
      '198.18.0.1',
      '::',
      '::127.0.0.1',
      '::ffff:0:127.0.0.1',
      '::ffff:0:7f00:1',
      '::ffff:0:8.8.8.8',
      '64:ff9b::7f00:1',
      '2002:7f00:1::',
      'fe80::1',
      'fe80::1%eth0',
      'ff02::1',
      'not an address',
    ],
  },
  { allow: false, expected: undefined, addresses: ['1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111'] },
  { allow: true, expected: undefined, addresses: ['127.0.0.1', '10.1.2.3', '::1', 'fd12::1', '::ffff:10.1.2.3'] },
  {
    allow: ['10.1.0.0/16', '169.254.10.0/24'],
    expected: undefined,
    addresses: ['10.1.2.3', '::ffff:10.1.2.3', '169.254.10.1'],
  },
  { allow: ['10.1.0.0/16'], expected: 'private', addresses: ['10.2.0.1', '127.0.0.1'] },
];

for (const { allow, expected, addresses } of cases) {
  test(`with allowPrivate ${JSON.stringify(allow)} these addresses are ${expected ?? 'allowed'}`, () => {
    const guard = new AddressGuard(allow);
    for (const address of addresses) assert.equal(guard.refusal(address), expected, address);
  });
}

test('a refusal names the host and the address', () => {
  const guard = new AddressGuard(false);
  assert.throws(() => guard.check('10.0.0.7', 'hooks.example.com'), {
    kind: 'config',
    code: 'webhook.address-refused',
    message: /^hooks\.example\.com leads to 10\.0\.0\.7, which is a private address/,
  });
});

test('ranges are written in CIDR form', () => {
  for (const good of ['10.0.0.0/8', '1.2.3.4/32', 'fd00::/8', '::1/128']) assert.ok(isCidr(good), good);
  for (const bad of [
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0/8',
    'fd00::/129',
    'x/8',
    '1.1.1.1/',
    '1.1.1.1/8/8',
    'fe80::1%e/64',
  ]) {
    assert.ok(!isCidr(bad), bad);
  }
});
