import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { Double, deserialize, Int32, Long } from 'bson';
import * as b from '../bson/test-support/bson-bytes.ts';
import { randomDocument } from '../bson/test-support/random-bson.ts';
import { SluiceError } from '../core/failure.ts';
import { Secret } from '../settings/secret.ts';
import { testRandom } from '../testing/random.ts';
import { envelopeOf, isEnvelope, setting, shown, transformAll, transformOne } from './transforms-fixture.ts';

const user = {
  _id: 1,
  name: 'Ann',
  email: 'ann@example.com',
  address: { city: 'Bern', street: 'x' },
  tags: ['a', 'b'],
};
const update = (
  updatedFields: object,
  removedFields: readonly string[] = [],
  truncatedArrays: readonly object[] = [],
) => ({
  updatedFields,
  removedFields,
  truncatedArrays,
});

test('an event that nothing changes goes on as the very same envelope', async () => {
  const envelope = envelopeOf({ after: user });
  const [result] = await transformAll([{ $match: { 'after.name': 'Ann' } }, { $unset: 'after.nothing' }], [envelope]);
  assert.equal(result, envelope);
});

test('a changed event keeps everything that says which change it is, and its original', async () => {
  const envelope = envelopeOf({ op: 'update', after: user, before: user, update: update({ name: 'Ann' }) });
  const [result] = await transformAll([{ $unset: 'after.email' }], [envelope]);
  assert.ok(isEnvelope(result));
  const { event, original } = result;
  const { event: before } = envelope;
  assert.equal(original, before);
  for (const member of ['id', 'op', 'namespace', 'position', 'version', 'sourceTimeMs', 'degraded'] as const) {
    assert.deepEqual(event[member], before[member], member);
  }
  assert.deepEqual(event.key(), before.key());
  const { email: _, ...rest } = user;
  assert.deepEqual(shown(event.after()), rest);
  assert.deepEqual(shown(event.before()), user, 'only after was named');
  const { fullDocument, ...others } = deserialize(event.raw);
  assert.deepEqual(fullDocument, rest);
  const { fullDocument: __, ...otherBefore } = deserialize(before.raw);
  assert.deepEqual(others, otherBefore);
  assert.deepEqual(Object.keys(deserialize(event.raw)), Object.keys(deserialize(before.raw)));
});

test('an image that is gone is gone from the raw event too', async () => {
  const event = await transformOne([{ $unset: 'before' }], { op: 'delete', before: user });
  assert.equal(event.before(), undefined);
  assert.equal(event.field('fullDocumentBeforeChange'), undefined);
  assert.ok(!('fullDocumentBeforeChange' in deserialize(event.raw)));
});

test('several transforms see what those before them made, and the first original is kept', async () => {
  const steps = [
    { $set: { 'after.n': 1 } },
    { $set: { 'after.m': { $add: ['$after.n', 1] } } },
    { $match: { 'after.m': 2 } },
  ];
  const event = await transformOne(steps, { after: { _id: 1 } });
  assert.deepEqual(shown(event.after()), { _id: 1, n: 1, m: 2 });
});

test('fields that no stage names keep their bytes, whatever is in them', async (t) => {
  const random = testRandom(t);
  for (let round = 0; round < 300; round++) {
    const inner = randomDocument(random, { libraryTypes: false });
    const after = b.document(
      ['_id', b.int32(1)],
      ['x', { type: 3, payload: inner }],
      ['gone', b.int32(1)],
      ['y', b.double(1)],
    );
    const [set] = await transformAll(
      [{ $set: { 'after.gone': '$$REMOVE', 'after.copy': '$after.x' } }],
      [envelopeOf({ after })],
    );
    assert.ok(set !== undefined && !(set instanceof SluiceError));
    const expected = b.document(
      ['_id', b.int32(1)],
      ['x', { type: 3, payload: inner }],
      ['y', b.double(1)],
      ['copy', { type: 3, payload: inner }],
    );
    assert.deepEqual(Buffer.from(set.event.after() ?? []), expected);
  }
});

const personal = [
  { title: 'drop', item: { drop: { fields: ['email', 'address.street'] } }, email: undefined, street: undefined },
  {
    title: 'mask',
    item: { mask: { fields: ['after.email', 'address.street'], text: '***' } },
    email: '***',
    street: '***',
  },
];

for (const { title, item, email, street } of personal) {
  test(`${title} reaches both images, and updates by path, by parent and below`, async () => {
    const description = update(
      { email: 'new', 'address.street': 'y', address: { city: 'Basel', street: 'z' }, 'email.part': 1, n: 1 },
      ['address.street.number', 'other'],
    );
    const [renamed] = Object.entries(item) as [string, object][];
    const event = await transformOne([{ [renamed?.[0] as string]: renamed?.[1] }], {
      op: 'update',
      after: user,
      before: user,
      update: description,
    });
    for (const bytes of [event.after(), event.before()]) {
      const document = shown(bytes) as typeof user;
      assert.equal(document.email, email);
      assert.equal(document.address.street, street);
      assert.equal(document.address.city, 'Bern');
    }
    const fields = shown(event.update()) as { updatedFields: Record<string, unknown>; removedFields: string[] };
    assert.equal(fields.updatedFields['email'], email);
    assert.ok(!('email.part' in fields.updatedFields));
    assert.ok(!JSON.stringify(fields).includes('new') && !JSON.stringify(fields).includes('"z"'));
    assert.equal(fields.updatedFields['n'], 1);
    assert.ok(!Buffer.from(event.raw).includes('ann@example.com'), 'nothing of it is left in the raw event');
  });
}

test('personal data in arrays of documents, deletes and rows of a snapshot is found', async () => {
  const people = { _id: 1, people: [{ email: 'a@x' }, { email: ['b@x', null, 'c@x'] }, 'd'] };
  const item = setting({ mask: { fields: ['people.email'], text: '-' } });
  const expected = { _id: 1, people: [{ email: '-' }, { email: ['-', null, '-'] }, 'd'] };
  assert.deepEqual(shown((await transformOne([item], { after: people })).after()), expected);
  assert.deepEqual(shown((await transformOne([item], { op: 'delete', before: people })).before()), expected);
  assert.deepEqual(shown((await transformOne([item], { op: 'snapshot', after: people })).after()), expected);
});

test('hash gives the HMAC of a text, one value for equal numbers, and another for another key', async () => {
  const hashed = async (v: unknown, key = 'secret') => {
    const item = { action: { kind: 'hash', fields: ['v'], key: new Secret(key) }, namespaces: undefined };
    return (shown((await transformOne([item], { after: { _id: 1, v } })).after()) as { v: unknown }).v;
  };
  assert.equal(await hashed('ann'), createHmac('sha256', 'secret').update('ann').digest('hex'));
  const numbers = await Promise.all([new Int32(1), new Double(1), Long.fromNumber(1)].map((n) => hashed(n)));
  assert.equal(new Set(numbers).size, 1);
  assert.notEqual(numbers[0], await hashed('1'));
  assert.notEqual(await hashed('ann'), await hashed('ann', 'other'));
  assert.equal(await hashed(null), null);
});

const updates = [
  { title: '$unset', item: { $unset: 'after.email' }, fields: { email: 'x', n: 1 }, left: { n: 1 } },
  {
    title: '$project',
    item: { $project: { 'after.n': 1 } },
    fields: { email: 'x', n: 1, 'n.a': 2 },
    left: { n: 1, 'n.a': 2 },
  },
  { title: '$set', item: { $set: { 'after.email': '-' } }, fields: { email: 'x', n: 1 }, left: { n: 1, email: '-' } },
  {
    title: '$set of a field that did not change',
    item: { $set: { 'after.sum': { $add: ['$after.n', 1] } } },
    fields: { n: 1 },
    left: { n: 1, sum: 2 },
  },
  {
    title: 'rename',
    item: { 'rename-fields': { fields: { n: 'm', 'address.city': 'address.town' } } },
    fields: { n: 1, 'address.city': 'x' },
    left: { m: 1, 'address.town': 'x' },
  },
] as const;

for (const { title, item, fields, left } of updates) {
  test(`the update description follows ${title}`, async () => {
    const event = await transformOne([setting(item)], {
      op: 'update',
      after: { _id: 1, email: 'x', n: 1 },
      update: update(fields),
    });
    assert.deepEqual((shown(event.update()) as { updatedFields: object }).updatedFields, left);
  });
}

test('without the document, an update still does not show what a stage takes out', async () => {
  for (const item of [{ $unset: 'after.email' }, { $set: { 'after.email': '-' } }, { $project: { 'after.n': 1 } }]) {
    const event = await transformOne([item], { op: 'update', update: update({ email: 'x', n: 1 }, ['email']) });
    assert.deepEqual((shown(event.update()) as { updatedFields: object }).updatedFields, { n: 1 });
    assert.equal(event.after(), undefined, 'no document is made up');
  }
});

test('where it cannot be told, the update description is left out', async () => {
  const replace = { $replaceWith: { after: { n: '$after.n' } } };
  const parts = { op: 'update', after: { _id: 1, n: 1, m: 2 }, update: update({ n: 1 }) };
  const replaced = await transformOne([replace], parts);
  assert.equal(replaced.update(), undefined);
  assert.deepEqual(shown(replaced.after()), { _id: 1, n: 1 }, 'the _id stays');
  const ambiguous = { ...update({ 'a.b': 1, email: 'x' }), disambiguatedPaths: { 'a.b': ['a.b'] } };
  assert.equal((await transformOne([{ $unset: 'after.email' }], { ...parts, update: ambiguous })).update(), undefined);
});

test('an event whose values do not fit is rejected alone', async () => {
  const results = await transformAll(
    [{ $set: { 'after.n': { $add: ['$after.v', 1] } } }],
    [
      envelopeOf({ after: { _id: 1, v: 1 } }),
      envelopeOf({ after: { _id: 2, v: 'secret text' } }),
      envelopeOf({ after: { _id: 3, v: 2 } }),
    ],
  );
  assert.deepEqual(
    results.map((result) => result instanceof SluiceError),
    [false, true, false],
  );
  const error = results[1] as SluiceError;
  assert.equal(error.kind, 'rejected');
  assert.equal(error.code, 'transform.failed');
  assert.equal(error.message, 'transform 1 ($set): $add needs numbers, not string');
});

test('an event that is not BSON is rejected as that', async () => {
  const broken = Buffer.from(b.document(['_id', b.int32(1)], ['s', b.string('text')]));
  broken.writeInt32LE(1000, broken.indexOf('text') - 4);
  const [result] = await transformAll([{ $unset: 'after.x' }], [envelopeOf({ after: broken })]);
  assert.equal((result as SluiceError).code, 'bson.malformed');
});

test('a document cannot get another _id', async () => {
  const [result] = await transformAll(
    [{ $set: { after: { $mergeObjects: ['$after', { _id: 2 }] } } }],
    [envelopeOf({ after: { _id: 1 } })],
  );
  assert.equal((result as SluiceError).message, 'transform 1 ($set): it gives the document another _id');
});

test('DDL events pass the stages; a rename of namespaces is also theirs', async () => {
  const drop = envelopeOf({ op: 'drop' });
  const [same] = await transformAll([{ $match: { 'after.n': 1 } }], [drop]);
  assert.equal(same, drop);
  const [renamed] = await transformAll([setting({ 'rename-namespaces': { rules: { 'shop.*': 'store.*' } } })], [drop]);
  assert.deepEqual((renamed as typeof drop).namespace, { db: 'store', coll: 'users' });
});

test('namespaces are renamed by the first pattern that fits, to one object for each', async () => {
  const rules = { 'shop.users': 'crm.people', 'shop.*': 'store.old_*', '*.logs.*': 'all.*.*' };
  const rename = setting({ 'rename-namespaces': { rules } });
  const names = ['shop.users', 'shop.orders', 'a.logs.b', 'other.users', 'shop.users'];
  const envelopes = names.map((name) => {
    const [db = '', ...coll] = name.split('.');
    return envelopeOf({ ns: { db, coll: coll.join('.') }, after: user });
  });
  const results = (await transformAll([rename], envelopes)) as typeof envelopes;
  assert.deepEqual(
    results.map(({ namespace: { db, coll } }) => `${db}.${coll}`),
    ['crm.people', 'store.old_orders', 'all.a.b', 'other.users', 'crm.people'],
  );
  assert.equal(results[0]?.namespace, results[4]?.namespace);
  assert.equal(results[3], envelopes[3]);
});

test('a transform with namespaces leaves the others alone', async () => {
  const item = { ...setting({ $match: { 'after.n': 1 } }), namespaces: ['shop.ord*'] };
  const other = envelopeOf({ after: user });
  const concerned = envelopeOf({ after: user, ns: { db: 'shop', coll: 'orders' } });
  assert.deepEqual(await transformAll([item], [other, concerned]), [other, undefined]);
});

test('$redact leaves out levels, and the event when its document is pruned', async () => {
  const redact = { $redact: { $cond: [{ $eq: ['$secret', true] }, '$$PRUNE', '$$DESCEND'] } };
  const after = { _id: 1, a: { secret: true, n: 1 }, b: [{ secret: true }, { n: { secret: true } }, 7], c: { n: 1 } };
  const event = await transformOne([redact], { after, update: update({ a: 1 }), op: 'update' });
  assert.deepEqual(shown(event.after()), { _id: 1, b: [{}, 7], c: { n: 1 } });
  assert.equal(event.update(), undefined);
  assert.deepEqual(await transformAll([redact], [envelopeOf({ after: { _id: 1, secret: true } })]), [undefined]);
});

test('a query sees the metadata of an event', async () => {
  const query = {
    op: { $in: ['insert', 'update'] },
    'ns.coll': 'users',
    'key._id': { $gte: 1 },
    time: { $gt: { $date: '2020-01-01T00:00:00Z' } },
  };
  const events = ['insert', 'delete'].map((op) => envelopeOf({ op, after: user }));
  assert.deepEqual(await transformAll([{ $match: query }], events), [events[0], undefined]);
});

test('$$NOW is one time for a batch', async () => {
  const event = await transformOne([{ $set: { 'after.at': '$$NOW' } }], { after: { _id: 1 } });
  assert.deepEqual(shown(event.after()), { _id: 1, at: new Date(1_700_000_000_000) });
});
