import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decimal128 } from 'bson';
import { seededRandom } from '../testing/random.ts';
import { decodeDecimal128, formatDecimal128 } from './decimal128.ts';
import { decimal128 } from './test-support/bson-bytes.ts';
import { randomBytes } from './test-support/random-bson.ts';

function format(bytes: Buffer): string {
  return formatDecimal128(decodeDecimal128(bytes, 0));
}

test('decimal128 text is that of the specification', () => {
  const texts = [
    '0',
    '-0',
    '0E-6176',
    '-0E+3',
    '1',
    '1.0',
    '12.34',
    '0.001',
    '1E-7',
    '1.5E-7',
    '0.000001234',
    '1E+3',
    '1.200E+10',
  ];
  const extremes = [
    '9.999999999999999999999999999999999E+6144',
    '1E-6176',
    '1234567890123456789012345678901234',
    '0.1000000000000000055511151231257827',
  ];
  for (const text of [...texts, ...extremes, 'Infinity', '-Infinity', 'NaN']) {
    assert.equal(format(Buffer.from(Decimal128.fromString(text).bytes)), text);
  }
});

test('property: the text is that of the library for any bits with at most 34 digits', () => {
  const random = seededRandom(11);
  let compared = 0;
  for (let i = 0; i < 5000; i++) {
    const bytes = randomBytes(random, 16);
    const library = new Decimal128(bytes).toString();
    if (library.replace(/E.*|\D/g, '').replace(/^0+/, '').length > 34) continue;
    assert.equal(format(bytes), library, bytes.toString('hex'));
    compared++;
  }
  assert.ok(compared > 1000, `${compared} compared`);
});

// Asked of mongod 6.0.5 with $toString.
test('a significand above 34 digits counts as zero, as in the server', () => {
  assert.equal(format(decimal128('6c10000000000000ffffffffffffffff').payload), '0');
  assert.equal(format(decimal128('3041ffffffffffffffffffffffffffff').payload), '0');
});
