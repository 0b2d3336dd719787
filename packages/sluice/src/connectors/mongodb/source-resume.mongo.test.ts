import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'bson';
import { mixedId } from '../../testing/mixed-ids.ts';
import { testMongo } from '../../testing/servers/mongo.ts';
import { Reading, StreamFixture } from './stream-fixture.ts';

/*
 * A resume token names the document of its event, and the server does not always accept what it has issued.
 */

const KINDS = 24;

test('behind a change of a document with any kind of _id the stream goes on', { timeout: 300_000 }, async () => {
  await using fixture = await StreamFixture.open(await testMongo());
  await using source = await fixture.source();
  const items = fixture.db.collection<{ _id: unknown; n: number }>('items');
  for (let kind = 0; kind < KINDS; kind++) {
    await using reading = await new Reading(source).start();
    await items.insertOne({ _id: mixedId(kind), n: 1 });
    await reading.count(1);
    const { from } = reading;
    await reading[Symbol.asyncDispose]();
    await items.insertOne({ _id: `next-${kind}`, n: 2 });
    await using resumed = await new Reading(source, from).count(1);
    assert.deepEqual(resumed.ids, [`next-${kind}`], BSON.EJSON.stringify(mixedId(kind)));
  }
});
