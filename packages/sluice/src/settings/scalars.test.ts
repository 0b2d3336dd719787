import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { byteSize, duration, filePath, secretString, secretUri, wholeNumber } from './scalars.ts';
import { Secret } from './secret.ts';

function problem(schema: z.ZodType, input: unknown): string | undefined {
  return schema.safeParse(input).error?.issues[0]?.message;
}

test('a duration becomes milliseconds, an absent one its default', () => {
  const schema = duration('5s');
  assert.equal(schema.parse('100ms'), 100);
  assert.equal(schema.parse('1.5s'), 1500);
  assert.equal(schema.parse('2h'), 7_200_000);
  assert.equal(schema.parse(undefined), 5000);
  assert.equal(z.object({ every: duration().optional() }).parse({}).every, undefined);
});

test('a duration without a unit, of another type or out of range is refused with what to write', () => {
  assert.equal(problem(duration(), 5), '5 has no unit: write "5s" or "5ms"');
  assert.match(problem(duration(), '5') ?? '', /"5" is not a duration: write a number and its unit/);
  for (const input of ['-5s', '1e309s', 'NaNs', '5 s', '5S', '', 's', true, null, {}]) {
    assert.ok(problem(duration(), input), JSON.stringify(input));
  }
  assert.equal(problem(duration(undefined, { min: '10ms', max: '1m' }), '2m'), '2m is out of range: from 10ms to 1m');
  assert.match(problem(duration(), '25d') ?? '', /out of range/);
});

test('a size becomes bytes and has the same rules', () => {
  assert.equal(byteSize('64MiB').parse(undefined), 67_108_864);
  assert.equal(byteSize().parse('1GB'), 1_000_000_000);
  assert.equal(byteSize().parse('0.5KiB'), 512);
  assert.equal(problem(byteSize(), 64), '64 has no unit: write "64B" or "64MiB"');
  for (const input of ['64', '64mb', '0.3B', '-1MiB', '99999999GiB', 'Infinity', [], false]) {
    assert.ok(problem(byteSize(), input), JSON.stringify(input));
  }
});

test('secrets and connection strings are Secret after parsing', () => {
  assert.ok(secretString().parse('x') instanceof Secret);
  assert.equal(secretString().parse('x').reveal(), 'x');
  assert.ok(problem(secretString(), ''));
  assert.ok(problem(secretString(), 12));
  const uri = secretUri(['mongodb', 'mongodb+srv']);
  assert.equal(uri.parse('mongodb+srv://h').reveal(), 'mongodb+srv://h');
  assert.equal(problem(uri, 'http://h'), 'must start with mongodb:// or mongodb+srv://');
});

test('whole numbers have bounds; paths have no NUL', () => {
  const schema = wholeNumber(1, 10);
  assert.equal(schema.parse(10), 10);
  for (const input of [0, 11, 1.5, Number.NaN, Number.POSITIVE_INFINITY, -1, '5', true, null]) {
    assert.equal(problem(schema, input), 'must be a whole number from 1 to 10', String(input));
  }
  assert.equal(filePath().parse('a/b'), 'a/b');
  assert.ok(problem(filePath(), 'a\0b'));
  assert.ok(problem(filePath(), ''));
});

test('a connection string whose password is not percent-encoded is refused, without showing it', () => {
  const uri = secretUri(['mongodb']);
  for (const text of ['mongodb://u:se@cret@host', 'mongodb://u:se/cret@host', 'mongodb://u:se:cret@host/db']) {
    const { error } = uri.safeParse(text);
    assert.match(error?.message ?? '', /percent-encoded/, text);
    assert.doesNotMatch(error?.message ?? '', /cret/);
  }
  for (const text of [
    'mongodb://host/db',
    'mongodb://u@host',
    'mongodb://u:%40p%2F@a:1,b:2/db?appName=x@y',
    'mongodb://[::1]:27017/',
  ]) {
    assert.ok(uri.safeParse(text).success, text);
  }
});
