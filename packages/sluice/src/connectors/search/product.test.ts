import assert from 'node:assert/strict';
import { test } from 'node:test';
import { productOf, shownProduct } from './product.ts';

test('products are known by their distribution or tagline, whatever version they say', () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [{ version: { distribution: 'opensearch', number: '2.19.1' } }, 'OpenSearch 2.19.1'],
    [
      { version: { number: '7.10.2' }, tagline: 'The OpenSearch Project: https://opensearch.org/' },
      'OpenSearch 7.10.2',
    ],
    [{ version: { number: '7.10.2', build_flavor: 'oss' }, tagline: 'You Know, for Search' }, 'Elasticsearch 7.10.2'],
    [{ version: { number: '9.1.0-SNAPSHOT', build_flavor: 'default' } }, 'Elasticsearch 9.1.0-SNAPSHOT'],
    [{ version: { number: '8.11.0', build_flavor: 'serverless' } }, 'Elasticsearch Serverless'],
  ];
  for (const [answer, expected] of cases) {
    const product = productOf(answer);
    assert.equal(product && shownProduct(product), expected);
  }
  const { major, minor } = productOf({ version: { number: '8.17.3' } }) ?? {};
  assert.deepEqual([major, minor], [8, 17]);
});

test('answers of other servers are of no product', () => {
  for (const answer of [
    undefined,
    null,
    [],
    'ok',
    {},
    { version: '2.19.1' },
    { version: { number: 7 } },
    { status: 'ok' },
  ]) {
    assert.equal(productOf(answer), undefined);
  }
});
