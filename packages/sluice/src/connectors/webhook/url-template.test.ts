import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UrlTemplate } from './url-template.ts';

const at = (url: string, db: string, coll: string) => new UrlTemplate(url).pathOf({ db, coll });

test('names are percent-encoded in the path and in the query', () => {
  assert.equal(at('https://a.example/{db}/{coll}', 'shop', 'orders'), '/shop/orders');
  assert.equal(at('https://a.example/x?d={db}&c={coll}', 'a&b', 'c d/é?#'), '/x?d=a%26b&c=c%20d%2F%C3%A9%3F%23');
  assert.equal(at('https://a.example', 'shop', 'orders'), '/');
  assert.equal(at('https://a.example/{db}-{coll}/e', 'sluice--coll--', '{db}'), '/sluice--coll---%7Bdb%7D/e');
});

test('an event of a whole database leaves the collection out', () => {
  assert.equal(at('https://a.example/{db}/{coll}', 'shop', ''), '/shop');
});

test('a name that would lead to another path is rejected', () => {
  assert.throws(() => at('https://a.example/{db}/{coll}', 'shop', '..'), {
    kind: 'rejected',
    code: 'webhook.url-name',
  });
});

test('the origin is that of the URL', () => {
  assert.equal(new UrlTemplate('https://A.example:443/{db}').origin, 'https://a.example');
});
