import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fingerprintOf } from './fingerprint.ts';
import { scopeOf } from './scope.ts';
import type { StreamConfig } from './stream-pipeline.ts';

const base: StreamConfig = { pipeline: [], fullDocument: 'off', beforeImage: 'off', ddl: false };
const of = (config: Partial<StreamConfig> = {}, include = ['shop.*'], exclude: string[] = []) =>
  fingerprintOf({ ...base, ...config }, scopeOf(include, exclude));

test('what means the same has the same fingerprint', () => {
  assert.equal(of({}, ['shop.b', 'shop.a']), of({}, ['shop.{a,b}']));
  assert.equal(of({}, ['shop.a*', 'shop.a*']), of({}, ['shop.a*']));
  assert.match(of(), /^[0-9a-f]{32}$/);
});

test('everything that selects or shapes events is part of it', () => {
  const match = (status: unknown) => [{ $match: { 'fullDocument.status': status } }];
  const all = [
    of(),
    of({ fullDocument: 'updateLookup' }),
    of({ beforeImage: 'required' }),
    of({ ddl: true }),
    of({ pipeline: match('a') }),
    of({ pipeline: match('b') }),
    of({ pipeline: match({ $numberLong: '1' }) }),
    of({ pipeline: match({ $numberDouble: '1' }) }),
    of({ pipeline: [...match('a'), ...match('b')] }),
    of({ pipeline: [...match('b'), ...match('a')] }),
    of({}, ['shop.orders']),
    of({}, ['shop.orders', 'crm.x']),
    of({}, ['*.*']),
    of({}, ['shop.*'], ['shop.log']),
  ];
  assert.equal(new Set(all).size, all.length);
});
