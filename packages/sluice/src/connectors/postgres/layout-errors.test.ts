import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DatabaseError } from 'pg';
import { isLayoutError } from './layout-errors.ts';

test('only errors about columns and tables that are not as they were call for another look at the table', () => {
  const states = ['42703', '42P01', '42804', '428C9', '23505', '42501', '08006'];
  const found = states.filter((code) => isLayoutError(Object.assign(new DatabaseError('no', 2, 'error'), { code })));
  assert.deepEqual(found, ['42703', '42P01', '42804', '428C9']);
  assert.equal(isLayoutError(new Error('42703')), false);
});
