import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import { IndexesFixture } from './indexes-fixture.ts';
import { fieldUsage } from './mapping/field-usage.ts';
import type { Properties } from './mapping/properties.ts';

const SIGNAL = new AbortController().signal;
const LONG = { type: 'long' };

function isConfig(code: string) {
  return (error: unknown) => error instanceof SluiceError && error.kind === 'config' && error.code === code;
}

test('an index is made with settings, mapping and a note of whose documents it has', async () => {
  await using fixture = await IndexesFixture.open();
  fixture.fields.set({ _id: 'objectId', name: 'string', 'at.x': 'int' });
  const indexes = await fixture.indexes({
    settings: { number_of_replicas: 0 },
    mapping: { fieldLimit: 300, malformed: 'ignore', properties: { name: { type: 'keyword' } } },
    deletes: { gcDeletes: '2h' },
    idField: 'id',
  });
  await fixture.prepare(indexes);
  const { settings, mappings } = await fixture.stored();
  assert.deepEqual(mappings, {
    dynamic: 'true',
    date_detection: false,
    dynamic_templates: [{ doubles: { match_mapping_type: 'double', mapping: { type: 'double' } } }],
    _meta: { sluice: { namespace: `${fixture.search.db}.items`, version: 1 } },
    properties: {
      at: { properties: { x: LONG } },
      id: { type: 'keyword', ignore_above: 512 },
      name: { type: 'keyword' },
    },
  });
  assert.equal(settings['index.gc_deletes'], '7200000ms');
  assert.equal(settings['index.mapping.total_fields.limit'], '300');
  assert.equal(settings['index.mapping.ignore_malformed'], 'true');
  assert.equal(settings['index.number_of_replicas'], '0');
});

test('two that make the same index at the same time both go on, with the fields of both', async () => {
  await using fixture = await IndexesFixture.open();
  await using other = await IndexesFixture.open();
  const names = Array.from({ length: 6 }, (_, at) => `f${at}`);
  const all = await Promise.all(names.map(() => fixture.indexes()));
  for (const name of names) fixture.fields.set({ [name]: 'int' });
  // Each starts with what is known then, and they overtake each other.
  const done = all.map(async (indexes, at) => {
    fixture.fields.set({ [names[at]!]: 'int' });
    await fixture.prepare(indexes);
  });
  await Promise.all(done);
  const { mappings } = await fixture.stored();
  assert.deepEqual(Object.keys(mappings.properties ?? {}).sort(), names);
  assert.equal(other.log.length, 0);
});

test('nothing is asked when nothing is new, and new fields are added before they are written', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes({ mapping: { dynamic: 'strict' } });
  fixture.fields.set({ a: 'int', o: 'object' });
  await Promise.all([fixture.prepare(indexes), fixture.prepare(indexes), fixture.prepare(indexes)]);
  assert.equal(fixture.log.filter(({ message }) => message === 'index created').length, 1);
  assert.equal(await fixture.put('1', { a: 1, o: { b: 1 } }), 'strict_dynamic_mapping_exception');
  fixture.fields.set({ a: 'int', o: 'object', 'o.b': 'int' });
  await fixture.prepare(indexes);
  assert.equal(await fixture.put('1', { a: 1, o: { b: 1 } }), undefined);
  // It is not there any more, and is not missed: nobody looked.
  await fixture.search.call('DELETE', `/${fixture.index}`);
  await fixture.prepare(indexes);
  indexes.forget(fixture.index);
  await fixture.prepare(indexes);
  assert.deepEqual((await fixture.stored()).mappings.properties?.['o'], { properties: { b: LONG } });
});

test('a call that comes while another one is under way waits for what it needs itself', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes();
  fixture.fields.set({ a: 'int' });
  const first = fixture.prepare(indexes);
  fixture.fields.set({ a: 'int', b: 'int' });
  await fixture.prepare(indexes);
  assert.deepEqual(Object.keys((await fixture.stored()).mappings.properties ?? {}), ['a', 'b']);
  await first;
});

test('a part of the mapping that the server does not take leaves the rest alone', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes({ settings: { 'mapping.field_name_length.limit': 50 } });
  fixture.fields.set({ a: 'int', ['x'.repeat(60)]: 'int', z: 'int' });
  await fixture.prepare(indexes);
  assert.deepEqual(Object.keys((await fixture.stored()).mappings.properties ?? {}), ['a', 'z']);
  assert.deepEqual(
    fixture.log.map(({ level }) => level),
    ['info', 'warn'],
  );
});

test('where a product turns out to have no type for maps, they are kept without being searched', async () => {
  await using fixture = await IndexesFixture.open();
  // `flattened` is of Elasticsearch, and its distribution without X-Pack refuses it as this server does.
  const indexes = await fixture.indexes(
    {},
    { name: 'elasticsearch', version: '7.10.2', major: 7, minor: 10, serverless: false },
  );
  fixture.fields.set({ 'm.*': 'int', a: 'int' }, ['m']);
  await fixture.prepare(indexes);
  const { mappings } = await fixture.stored();
  assert.deepEqual(mappings.properties, { a: LONG, m: { type: 'object', enabled: false } });
});

test('a type that is there is kept and told of once, and other fields are still added', async () => {
  await using fixture = await IndexesFixture.open();
  await fixture.search.call('PUT', `/${fixture.index}`, {
    mappings: { _meta: { team: 'a' }, properties: { a: { type: 'date' }, o: { properties: { x: LONG } } } },
  });
  const indexes = await fixture.indexes({ mapping: { malformed: 'dead-letter' } });
  fixture.fields.set({ a: 'string', 'o.x': 'int string', 'o.y': 'int' });
  await fixture.prepare(indexes);
  fixture.fields.set({ a: 'string', 'o.x': 'int string', 'o.y': 'int', z: 'int' });
  await fixture.prepare(indexes);
  const { mappings, settings } = await fixture.stored();
  assert.deepEqual(mappings.properties, {
    a: { type: 'date' },
    o: { properties: { x: LONG, y: LONG } },
    z: LONG,
  });
  const mark = { namespace: `${fixture.search.db}.items`, version: 1, adopted: true };
  assert.deepEqual(mappings._meta, { team: 'a', sluice: mark });
  assert.equal(settings['index.gc_deletes'], '86400000ms');
  const told = fixture.log.filter(({ level }) => level === 'warn').map(({ fields }) => fields);
  assert.deepEqual(told, [
    { index: fixture.index, field: 'a', mapped: 'date', documents: 'text' },
    { index: fixture.index, field: 'o.x', mapped: 'long', documents: 'text' },
  ]);
});

test('an index that was deleted and made anew by a write gets settings and fields with the next news', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes();
  fixture.fields.set({ a: 'long' });
  await fixture.prepare(indexes);
  await fixture.search.call('DELETE', `/${fixture.index}`);
  await fixture.put('1', { a: 1 });
  fixture.fields.set({ a: 'long', b: 'date' });
  await fixture.prepare(indexes);
  const { mappings, settings } = await fixture.stored();
  assert.deepEqual(mappings.properties, { a: LONG, b: { type: 'date' } });
  assert.equal(settings['index.gc_deletes'], '86400000ms');
});

test('the index of a renamed collection gets the fields of the old one', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes();
  fixture.fields.set({ a: 'date', 'o.x': 'objectId' });
  await fixture.prepare(indexes);
  fixture.fields.set({ a: 'date string', 'o.y': 'int' });
  const index = fixture.search.index('others');
  const renamed = fixture.namespace('others');
  await indexes.inherit(index, fixture.index, SIGNAL);
  await indexes.inherit(index, fixture.search.index('none'), SIGNAL);
  await indexes.prepare(index, renamed, renamed, SIGNAL);
  const answer = await fixture.search.call('GET', `/${index}`);
  const { mappings } = answer[index] as { mappings: { properties: Properties } };
  assert.deepEqual(Object.keys(mappings.properties).sort(), ['a', 'o']);
  assert.deepEqual(Object.keys(mappings.properties['o']?.properties ?? {}).sort(), ['x', 'y']);
});

test('gc_deletes of an index is raised and never lowered', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes({ deletes: { gcDeletes: '1h' } });
  for (const [before, after] of [
    ['10m', '3600000ms'],
    ['2d', '2d'],
    ['-1', '-1'],
  ] as const) {
    await fixture.search.call('PUT', `/${fixture.index}`, { settings: { 'index.gc_deletes': before } });
    indexes.forget(fixture.index);
    await fixture.prepare(indexes);
    assert.equal((await fixture.stored()).settings['index.gc_deletes'], after);
    await fixture.search.call('DELETE', `/${fixture.index}`);
  }
});

test('an index with documents of another collection is refused', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes();
  await fixture.prepare(indexes);
  await assert.rejects(fixture.prepare(indexes, 'others'), isConfig('search.shared-index'));
  const later = await fixture.indexes();
  await assert.rejects(fixture.prepare(later, 'others'), isConfig('search.shared-index'));
  await fixture.prepare(later);
});

test('an index that must not be made, or cannot, stops the pipeline with a reason', async () => {
  await using fixture = await IndexesFixture.open();
  await assert.rejects(
    fixture.prepare(await fixture.indexes({ createIndexes: false })),
    isConfig('search.index-missing'),
  );
  const wrong = await fixture.indexes({ mapping: { properties: { a: { type: 'txet' } } } });
  await assert.rejects(fixture.prepare(wrong), (error: SluiceError) => {
    return isConfig('search.index-refused')(error) && error.message.includes('No handler for type [txet]');
  });
  const settings = await fixture.indexes({ settings: { no_such_setting: 1 } });
  await assert.rejects(fixture.prepare(settings), isConfig('search.index-refused'));
});

test('a validator that an event tells of is in the mapping at once', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes();
  const structure = async (op: string, description: object) => {
    const event = fixture.search.event({ op, fields: { operationDescription: description } });
    await indexes.structure({ event, namespace: event.namespace }, fixture.index, SIGNAL);
  };
  await structure('create', { idIndex: {} });
  assert.equal((await fixture.search.call('GET', `/${fixture.index}`))['status'], 404);
  const schema = (properties: object) => ({ $jsonSchema: { bsonType: 'object', properties } });
  await structure('create', { validator: schema({ on: { bsonType: 'date' } }) });
  await structure('modify', { index: { name: 'x' } });
  await structure('modify', { validator: { $and: [schema({ n: { bsonType: 'decimal' } }), { a: 1 }] } });
  const { mappings } = await fixture.stored();
  const types = Object.entries(mappings.properties ?? {}).map(([name, { type }]) => [name, type]);
  assert.deepEqual(types, [
    ['n', 'double'],
    ['on', 'date'],
  ]);
});

test('a limit of fields is told of before it is reached, and documents beyond it are still taken', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes({ mapping: { fieldLimit: 10 } });
  const fieldsOf = (count: number) =>
    Object.fromEntries([['a', 'int'], ...Array.from({ length: count }, (_, at) => [`wide.f${at}`, 'int'])]);
  const levels = () => fixture.log.filter(({ level }) => level !== 'info').map(({ level }) => level);
  fixture.fields.set(fieldsOf(5));
  await fixture.prepare(indexes);
  assert.deepEqual(levels(), []);
  fixture.fields.set(fieldsOf(6));
  await fixture.prepare(indexes);
  assert.deepEqual(levels(), ['warn']);
  assert.deepEqual(fixture.log.at(-1)?.fields, {
    index: fixture.index,
    used: 8,
    limit: 10,
    most: { wide: 6, '(the document)': 2 },
  });
  for (const count of [12, 13]) {
    fixture.fields.set(fieldsOf(count));
    await fixture.prepare(indexes);
  }
  assert.deepEqual(levels(), ['warn', 'error']);
  assert.equal(fixture.log.at(-1)?.fields['missing'], 4);
  const { mappings } = await fixture.stored();
  assert.deepEqual([mappings.dynamic, fieldUsage(mappings)], ['false', 10]);
  const wide = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`f${at}`, at]));
  assert.equal(await fixture.put('1', { a: 1, wide, new: 'x' }), undefined);
  assert.deepEqual(await fixture.find({ term: { 'wide.f7': 7 } }), ['1']);
  assert.deepEqual(await fixture.find({ term: { 'wide.f20': 20 } }), []);
});

test('a limit that was raised in the configuration counts for the index that is there', async () => {
  await using fixture = await IndexesFixture.open();
  fixture.fields.set({ a: 'int', b: 'int', c: 'int' });
  await fixture.prepare(await fixture.indexes({ mapping: { fieldLimit: 2 } }));
  assert.equal(Object.keys((await fixture.stored()).mappings.properties ?? {}).length, 2);
  await fixture.prepare(await fixture.indexes({ mapping: { fieldLimit: 3 } }));
  assert.equal(Object.keys((await fixture.stored()).mappings.properties ?? {}).length, 3);
});

test('the fields of a mapping are counted as the server counts them', async () => {
  await using fixture = await IndexesFixture.open();
  const text = { type: 'text', fields: { keyword: { type: 'keyword' } } };
  const properties: Properties = {
    a: LONG,
    t: text,
    o: { properties: { t: text, p: { properties: { x: LONG } } } },
    n: { type: 'nested', properties: { x: LONG } },
    e: { type: 'object', enabled: false },
    f: { type: 'flat_object' },
    y: { type: 'alias', path: 'a' },
    z: { type: 'text', index_prefixes: {}, index_phrases: true },
  };
  const used = fieldUsage({ properties });
  const make = async (limit: number) => {
    const settings = { 'index.mapping.total_fields.limit': limit };
    const { error } = await fixture.search.call('PUT', `/${fixture.index}`, { settings, mappings: { properties } });
    return error === undefined;
  };
  assert.deepEqual([await make(used - 1), await make(used)], [false, true]);
});

test('tombstones can be found where nothing is mapped by itself', async () => {
  await using fixture = await IndexesFixture.open();
  const indexes = await fixture.indexes({ mapping: { dynamic: false }, deletes: { mode: 'tombstone' } });
  await fixture.prepare(indexes);
  assert.equal(await fixture.put('1', { _sluice: { deleted: true, at: new Date(0).toISOString() } }), undefined);
  assert.deepEqual(await fixture.find({ term: { '_sluice.deleted': true } }), ['1']);
});
