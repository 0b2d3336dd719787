import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registry } from '../connectors/registry.ts';
import { Secret } from '../settings/secret.ts';
import { ENV, load, pipeline, problemsOf } from './config-fixture.ts';
import { printConfig } from './print.ts';

const HASH_KEY = 'canary-of-the-hash';

function transforms(text: string) {
  return pipeline({ more: `transforms: ${text}` });
}

test('each kind of transform is read, in the order of the file', () => {
  const text = transforms(
    `[{ $match: { after.status: { $ne: draft } } }, { $unset: after.x, namespaces: ["shop.*"] }, { rename: { ns: { "a.b": c.d } } },
      { rename: { fields: { sex: gender } } }, { drop: [age] }, { mask: [email] }, { mask: { fields: [email], with: hidden } },
      { hash: { fields: [phone], key: "\${env:HASH_KEY}" } }, { module: ./shape.ts }, { module: { path: /x.ts, export: shape } }]`,
  );
  const loaded = load(text, { ...ENV, HASH_KEY });
  const [orders] = loaded.config.pipelines;
  assert.deepEqual(orders?.transforms, [
    { action: { kind: 'stage', stage: '$match', body: { 'after.status': { $ne: 'draft' } } }, namespaces: undefined },
    { action: { kind: 'stage', stage: '$unset', body: 'after.x' }, namespaces: ['shop.*'] },
    { action: { kind: 'rename-namespaces', rules: { 'a.b': 'c.d' } }, namespaces: undefined },
    { action: { kind: 'rename-fields', fields: { sex: 'gender' } }, namespaces: undefined },
    { action: { kind: 'drop', fields: ['age'] }, namespaces: undefined },
    { action: { kind: 'mask', fields: ['email'], text: '***' }, namespaces: undefined },
    { action: { kind: 'mask', fields: ['email'], text: 'hidden' }, namespaces: undefined },
    { action: { kind: 'hash', fields: ['phone'], key: new Secret(HASH_KEY) }, namespaces: undefined },
    { action: { kind: 'module', path: '/etc/sluice/shape.ts', exportName: 'default' }, namespaces: undefined },
    { action: { kind: 'module', path: '/x.ts', exportName: 'shape' }, namespaces: undefined },
  ]);
  assert.ok(loaded.secrets.includes(HASH_KEY));
  assert.ok(!printConfig(loaded.effective, registry).includes(HASH_KEY));
});

test('without transforms there are none', () => {
  assert.deepEqual(load(pipeline()).config.pipelines[0]?.transforms, []);
});

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ['[{}]', /transforms\[0\]: must have one of \$match/],
  [
    '[{ $unset: after.a, drop: [b] }]',
    /transforms\[0\]\.drop: \$unset and drop are two transforms; write each as an item/,
  ],
  ['[{ $group: { _id: 1 } }]', /^[^\n]*transforms\[0\]\["\$group"\]: unknown key; known here: \$match[^\n]*$/],
  ['[{ $match: { status: x } }]', /"status": an event has no field "status"; .*"after\.status"/],
  ['[{ $match: { after.a: { $near: 1 } } }]', /the operator \$near is not supported in \$match; supported are/],
  ['[{ $match: { $where: "1" } }]', /\$where is not supported in \$match/],
  ['[{ $match: { after.a: { $regex: "(?i)a(" } } }]', /has no equal in JavaScript/],
  ['[{ $match: { after.a: { $oid: x } } }]', /\$oid does not hold a value of that type/],
  ['[{ $set: { after.a: { $function: {} } } }]', /the operator \$function is not supported; supported are \$abs/],
  ['[{ $set: { after.a: $status } }]', /"\$status": an event has no field "status"; .*"\$after\.status"/],
  ['[{ $set: { after.a: $$NOPE } }]', /there is no variable \$\$NOPE/],
  ['[{ $set: { after.a: { $add: [1], $subtract: [1, 2] } } }]', /\$add must be the only key/],
  ['[{ $set: { after.a: { $divide: [1] } } }]', /\$divide needs 2 arguments, not 1/],
  ['[{ $set: { op: x } }]', /"op" cannot be changed: only after and before can/],
  ['[{ $set: { ns.db: x } }]', /for the namespace there is the transform "rename"/],
  ['[{ $set: { after.a: 1, after.a.b: 2 } }]', /"a\.b" is named twice, or lies inside/],
  ['[{ $unset: after._id }]', /"after\._id" belongs to the document key, which no transform can change/],
  ['[{ $project: { after.a: 1, after.b: 0 } }]', /either names what to keep or what to leave out/],
  ['[{ $replaceWith: $after }]', /must give an event with "after" or "before"/],
  ['[{ $replaceWith: { name: $after.name } }]', /an event has no field "name"; write \{ after: … \}/],
  ['[{ drop: [_id] }]', /"_id" belongs to the document key/],
  ['[{ mask: [key._id] }]', /"key\._id" belongs to the document key/],
  ['[{ drop: [address, address.city] }]', /lies inside of another path/],
  ['[{ hash: { fields: [a], key: literal } }]', /hash\.key: .*write \$\{env:KEY\}/],
  ['[{ rename: { ns: { users: people } } }]', /"users" is not a namespace/],
  ['[{ rename: { ns: { "a.b": "c.*" } } }]', /has more stars/],
  ['[{ rename: { fields: { a.b: c } } }]', /a renamed field stays where it is/],
  ['[{ rename: {} }]', /must have either ns or fields/],
  ['[{ drop: [a], namespaces: [shop] }]', /namespaces: "shop" is not a namespace/],
];

for (const [text, message] of REFUSED) {
  test(`refused: ${text}`, () => assert.match(problemsOf(transforms(text)), message));
}
