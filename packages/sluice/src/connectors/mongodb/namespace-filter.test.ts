import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespaceFilter } from './namespace-filter.ts';
import { scopeOf } from './scope.ts';

const filterOf = (include: string[], exclude: string[] = []) => namespaceFilter(scopeOf(include, exclude));

test('a stream that has nothing else needs no filter', () => {
  assert.equal(filterOf(['shop.orders']), undefined);
  assert.equal(filterOf(['shop.*']), undefined);
});

test('names are taken literally', () => {
  const text = JSON.stringify(filterOf(['shop.a\\*b.c', 'shop.$x']));
  assert.match(text, /"\$literal":\["a\*b\.c","\$x"\]/);
});

test('patterns become one anchored expression per database', () => {
  const text = JSON.stringify(filterOf(['shop.a*', 'shop.b?']));
  assert.match(text, /"regex":"\\\\A\(\?:a\.\*\|b\.\)\\\\z","options":"s"/);
});

test('the filter does not touch the resume token', () => {
  const text = JSON.stringify(filterOf(['*.a', 'b*.c'], ['b.x', 'log*.*']));
  assert.doesNotMatch(text, /_id|_data/);
});

test('the own database is left out of everything', () => {
  const text = JSON.stringify(filterOf(['*.*']));
  assert.match(text, /"\$not":\[\{"\$eq":\["\$ns\.db",\{"\$literal":"sluice"\}\]\}\]/);
});
