import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { deserialize, EJSON } from 'bson';
import { type Collection, type Document, MongoClient } from 'mongodb';
import { documentValue } from '../bson/build-document.ts';
import { BsonType, findField } from '../bson/elements.ts';
import { int32Value, stringValue } from '../bson/make-values.ts';
import * as b from '../bson/test-support/bson-bytes.ts';
import { SluiceError } from '../core/failure.ts';
import { rawReply } from '../testing/raw-command.ts';
import { testMongo } from '../testing/servers/mongo.ts';
import { EXPRESSIONS, PROJECTIONS, QUERIES, SETS, VALUES } from './golden-table-fixture.ts';
import { envelopeOf, isEnvelope, transformAll } from './transforms-fixture.ts';

/** What one of the two made of a document: its bytes, or that it was dropped or failed. */
type Answer = string;

const DROPPED = 'dropped';
const FAILED = 'failed';

/** Runs the stage on the server over all documents; where that fails, over each of them alone. */
async function serverAnswers(collection: Collection, stage: Document): Promise<readonly Answer[]> {
  const all = await aggregate(collection, {}, stage);
  if (all !== undefined) return VALUES.map((_, index) => all.get(index) ?? DROPPED);
  return Promise.all(
    VALUES.map(async (_, index) => {
      const one = await aggregate(collection, { _id: index }, stage);
      return one === undefined ? FAILED : (one.get(index) ?? DROPPED);
    }),
  );
}

async function aggregate(
  collection: Collection,
  selection: Document,
  stage: Document,
): Promise<ReadonlyMap<number, Answer> | undefined> {
  try {
    const cursor = collection.aggregate([{ $match: selection }, stage], {
      raw: true,
      batchSize: 1000,
      enableUtf8Validation: false,
    });
    const found = new Map<number, Answer>();
    for await (const row of cursor) {
      const raw = row as unknown as Uint8Array;
      const id = findField(raw, '_id');
      assert.ok(id);
      found.set(Buffer.from(id.bytes).readInt32LE(0), hex(findField(raw, 'after')?.bytes));
    }
    return found;
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error, String(error));
    return undefined;
  }
}

async function ownAnswers(stage: Document): Promise<readonly Answer[]> {
  const results = await transformAll(
    [stage],
    VALUES.map((after) => envelopeOf({ after })),
  );
  return results.map((result) => {
    if (result instanceof SluiceError) return FAILED;
    return isEnvelope(result) ? hex(result.event.after()) : DROPPED;
  });
}

function hex(bytes: Uint8Array | undefined): Answer {
  return bytes === undefined ? 'none' : Buffer.from(bytes).toString('hex');
}

function readable(answer: Answer): string {
  if (answer.length < 10 || !/^[0-9a-f]+$/.test(answer)) return answer;
  const document = deserialize(Buffer.from(answer, 'hex'), { promoteValues: false, bsonRegExp: true });
  return EJSON.stringify(document, { relaxed: false });
}

async function withCollection(run: (collection: Collection) => Promise<void>): Promise<void> {
  const uri = await testMongo();
  const client = new MongoClient(uri);
  const db = client.db(`transforms-${randomUUID().slice(0, 8)}`);
  try {
    const collection = db.collection('values');
    const documents = VALUES.map((after, index) =>
      documentValue([
        ['_id', int32Value(index)],
        ['op', stringValue('insert')],
        ['after', { type: 3, bytes: after }],
      ]),
    );
    const command = b.document(
      ['insert', b.string('values')],
      ['documents', b.array(...documents.map(({ bytes }) => ({ type: 3, payload: Buffer.from(bytes) })))],
      ['$db', b.string(db.databaseName)],
    );
    const reply = await rawReply(uri, command);
    assert.equal(Buffer.from(findField(reply, 'n')?.bytes ?? []).readInt32LE(0), VALUES.length);
    await run(collection);
  } finally {
    await db.dropDatabase();
    await client.close();
  }
}

/** What is meant to differ: the server shortens doubles to six digits as text, and has a text for timestamps. */
function isOtherText(stage: object, document: Uint8Array): boolean {
  const isText = /"\$(toString|toLower|toUpper|substrCP)"/.test(JSON.stringify(stage));
  const type = findField(document, 'v')?.type;
  return isText && (type === BsonType.double || type === BsonType.timestamp);
}

/** Stages as they are written in YAML, with their Extended JSON turned into values for the server. */
function forServer(stage: object): Document {
  return EJSON.deserialize(stage, { relaxed: false }) as Document;
}

async function compare(stages: readonly object[]): Promise<void> {
  await withCollection(async (collection) => {
    const differences: string[] = [];
    for (const stage of stages) {
      let shownOfStage = 0;
      const [server, own] = [await serverAnswers(collection, forServer(stage)), await ownAnswers(stage)];
      for (const [index, answer] of server.entries()) {
        if (answer === own[index] || isOtherText(stage, VALUES[index] as Buffer) || shownOfStage++ > 2) continue;
        const value = readable(hex(VALUES[index]));
        differences.push(
          `${JSON.stringify(stage)}\n  of ${value}\n  server ${readable(answer)}\n  own    ${readable(own[index] ?? '')}`,
        );
      }
    }
    assert.equal(differences.length, 0, `${differences.length} differences:\n${differences.slice(0, 60).join('\n')}`);
  });
}

test('expressions give what the server gives, for values of every type', async () => {
  await compare(EXPRESSIONS.map((expression) => ({ $set: { 'after.r': expression } })));
});

test('queries select what the server selects', async () => {
  await compare(QUERIES.map((query) => ({ $match: query })));
});

test('$set and $unset change documents as the server does', async () => {
  await compare(SETS);
});

test('$project keeps and calculates what the server does', async () => {
  await compare(PROJECTIONS);
});
