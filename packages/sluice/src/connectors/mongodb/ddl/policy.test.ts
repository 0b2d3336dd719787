import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Document, MongoClient } from 'mongodb';
import type { Namespace } from '../../../core/change-event.ts';
import type { Logger } from '../../../core/logger.ts';
import { ddlConfig } from './config.ts';
import { applyTo, madeEvent } from './ddl-fixture.ts';
import { type DdlOptions, openDdl } from './open-ddl.ts';

/** Nothing listens there: a test that reaches for the target fails. */
const NOWHERE = 'mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=1';
const NS = { db: 'shop', coll: 'orders' };

const EVENTS: Readonly<Record<string, Document>> = {
  create: { operationType: 'create', operationDescription: { idIndex: {} } },
  views: { operationType: 'create', operationDescription: { viewOn: 'a', pipeline: [] } },
  createIndexes: { operationType: 'createIndexes', operationDescription: { indexes: [{ key: { a: 1 }, name: 'a' }] } },
  dropIndexes: { operationType: 'dropIndexes', operationDescription: { indexes: [{ key: { a: 1 }, name: 'a' }] } },
  collMod: { operationType: 'modify', operationDescription: { validator: {} } },
  rename: { operationType: 'rename', to: { db: 'shop', coll: 'b' } },
  drop: { operationType: 'drop' },
  dropDatabase: { operationType: 'dropDatabase', ns: { db: 'shop' } },
  sharding: { operationType: 'shardCollection', operationDescription: { shardKey: { a: 1 } } },
};

function opened(settings: unknown, options: Partial<DdlOptions> = {}) {
  const warnings: string[] = [];
  const quiet = () => {};
  const logger: Logger = {
    debug: quiet,
    info: quiet,
    warn: (_, message) => void warnings.push(message),
    error: quiet,
    child: () => logger,
  };
  const ddl = openDdl(ddlConfig.parse(settings), { client: new MongoClient(NOWHERE), logger, ...options });
  return { ddl, warnings };
}

const eventOf = (fields: Document) => madeEvent({ ns: NS, ...fields });

test('each kind has its own policy, and the others are left alone by it', async () => {
  for (const [kind, fields] of Object.entries(EVENTS)) {
    const event = eventOf(fields);
    const stop = opened({ [kind]: 'stop' });
    await assert.rejects(applyTo(stop.ddl, event), { kind: 'config', code: 'mongodb.ddl-stop' }, kind);
    const warn = opened({ [kind]: 'warn' });
    assert.equal(await applyTo(warn.ddl, event), 'ignored', kind);
    assert.match(warn.warnings.join(), new RegExp(`is not followed: ddl.${kind} is warn`));
    const ignore = opened({ [kind]: 'ignore' });
    assert.equal(await applyTo(ignore.ddl, event), 'ignored', kind);
    assert.deepEqual(ignore.warnings, [], kind);
    if (kind === 'sharding') continue;
    for (const policy of ['apply', { create: 'warn' }, {}]) {
      if (kind === 'create' && typeof policy === 'object' && 'create' in policy) continue;
      await assert.rejects(applyTo(opened(policy).ddl, event), { kind: 'transient' }, `${kind} goes to the target`);
    }
  }
});

test('one word is for all kinds; sharding is never applied', async () => {
  for (const [kind, fields] of Object.entries(EVENTS)) {
    await assert.rejects(applyTo(opened('stop').ddl, eventOf(fields)), { code: 'mongodb.ddl-stop' }, kind);
    assert.equal(await applyTo(opened('ignore').ddl, eventOf(fields)), 'ignored');
  }
  const { ddl, warnings } = opened('apply');
  assert.equal(await applyTo(ddl, eventOf(EVENTS['sharding']!)), 'ignored');
  assert.equal(warnings.length, 1);
  assert.throws(() => ddlConfig.parse('follow'), /apply, warn, ignore or stop/);
  assert.throws(() => ddlConfig.parse({ sharding: 'apply' }));
  assert.throws(() => ddlConfig.parse({ creates: 'apply' }));
});

test('what nobody knows is warned of; the end of a stream and collections of the server are nothing', async () => {
  const { ddl, warnings } = opened('stop');
  assert.equal(await applyTo(ddl, eventOf({ operationType: 'invalidate' })), 'ignored');
  assert.equal(
    await applyTo(ddl, eventOf({ operationType: 'drop', ns: { db: 'shop', coll: 'system.views' } })),
    'ignored',
  );
  assert.deepEqual(warnings, []);
  assert.equal(await applyTo(ddl, eventOf({ operationType: 'defragment' })), 'ignored');
  assert.match(warnings.join(), /defragment is not followed: it is not known here/);
});

test('nothing is dropped or renamed where other collections of the source go too', async () => {
  const mapNamespace = ({ coll }: Namespace) => ({ db: 'all', coll: coll === '' ? '' : 'everything' });
  for (const kind of ['drop', 'dropDatabase', 'rename']) {
    const { ddl, warnings } = opened('apply', { mapNamespace });
    assert.equal(await applyTo(ddl, eventOf(EVENTS[kind]!)), 'ignored', kind);
    assert.match(warnings.join(), /other collections of the source go to the same place/, kind);
  }
});

test('a new name, or what a view is on, is not guessed where a transform has renamed the collection', async () => {
  for (const kind of ['rename', 'views']) {
    const { ddl, warnings } = opened('apply');
    assert.equal(await applyTo(ddl, eventOf(EVENTS[kind]!), { db: 'shop', coll: 'renamed' }), 'ignored', kind);
    assert.match(warnings.join(), /not known what the new name is|has another name/, kind);
  }
});
