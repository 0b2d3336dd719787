import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stageProblem } from './user-pipeline.ts';

const ALLOWED: readonly object[] = [
  { $match: { 'fullDocument.status': { $ne: 'draft' } } },
  { $match: { $expr: { $gt: ['$fullDocument.total', 10] } } },
  { $match: { _id: { $exists: true } } },
  { $project: { 'fullDocument.card': 0 } },
  { $project: { fullDocument: { card: 0 } } },
  { $project: { _id: 1, operationType: 1, clusterTime: 1, ns: 1, documentKey: 1, fullDocument: 1 } },
  { $project: { operationType: true, clusterTime: true, ns: true, documentKey: true } },
  { $addFields: { tag: 'x' } },
  { $set: { 'fullDocument.tag': 'x' } },
  { $unset: 'fullDocument.card' },
  { $unset: ['lsid', 'txnNumber'] },
  { $replaceWith: { $mergeObjects: ['$$ROOT', { tag: 1 }] } },
  { $replaceWith: { $mergeObjects: [{ _id: 1, ns: 2 }, '$$ROOT'] } },
  { $replaceRoot: { newRoot: { $mergeObjects: ['$$ROOT', { tag: 1 }] } } },
  {
    $replaceWith: {
      _id: '$_id',
      operationType: '$operationType',
      clusterTime: '$clusterTime',
      ns: '$ns',
      documentKey: '$documentKey',
    },
  },
  { $redact: { $cond: [{ $eq: ['$ns.coll', 'x'] }, '$$PRUNE', '$$KEEP'] } },
];

for (const stage of ALLOWED) {
  test(`allowed: ${JSON.stringify(stage)}`, () => assert.equal(stageProblem(stage), undefined));
}

const REFUSED: readonly [stage: unknown, message: RegExp][] = [
  ['$match', /must be an aggregation stage/],
  [{}, /exactly one key/],
  [{ $match: {}, $set: {} }, /exactly one key/],
  [{ $out: 'x' }, /\$out is not possible/],
  [{ $merge: { into: 'x' } }, /\$merge is not possible/],
  [{ $lookup: {} }, /\$lookup is not possible/],
  [{ $changeStreamSplitLargeEvent: {} }, /not possible/],
  [{ constructor: {} }, /not possible/],
  [{ $match: [] }, /needs an object/],
  [{ $match: { $where: 'true' } }, /\$where is not allowed/],
  [{ $set: { x: { $function: { body: '', args: [], lang: 'js' } } } }, /\$function is not allowed/],
  [{ $match: { $or: [{ $sampleRate: 0.5 }] } }, /\$sampleRate is not allowed/],
  [{ $project: { _id: 0 } }, /must not remove _id/],
  [{ $project: { _id: false, x: 0 } }, /must not remove _id/],
  [{ $project: { ns: 0 } }, /must not remove ns/],
  [{ $project: { '_id._data': 1, fullDocument: 1 } }, /must not change _id/],
  [{ $project: { _id: '$fullDocument._id' } }, /must not change _id/],
  [{ $project: { fullDocument: 1 } }, /leaves out operationType, clusterTime, ns, documentKey/],
  [{ $project: { documentKey: { _id: 1 }, operationType: 1, clusterTime: 1, ns: 1 } }, /must not change documentKey/],
  [{ $set: { _id: 1 } }, /must not change _id/],
  [{ $set: { '_id._data': 1 } }, /must not change _id/],
  [{ $addFields: { 'documentKey.x': 1 } }, /must not change documentKey/],
  [{ $addFields: { _sluice: {} } }, /must not change _sluice/],
  [{ $unset: '_id' }, /must not remove _id/],
  [{ $unset: ['x', 'ns.db'] }, /must not remove ns/],
  [{ $unset: 1 }, /needs the name/],
  [{ $replaceWith: '$fullDocument' }, /must keep _id/],
  [{ $replaceWith: { a: 1 } }, /must keep _id/],
  [{ $replaceRoot: { newRoot: '$fullDocument' } }, /must keep _id/],
  [{ $replaceWith: { $mergeObjects: ['$fullDocument', { a: 1 }] } }, /must contain "\$\$ROOT"/],
  [{ $replaceWith: { $mergeObjects: ['$$ROOT', '$fullDocument'] } }, /put "\$\$ROOT" last/],
  [{ $replaceWith: { $mergeObjects: ['$$ROOT', { _id: 1 }] } }, /must not change _id/],
  [{ $replaceWith: { $setField: {} } }, /must keep _id/],
  [{ $redact: { $cond: [true, '$$DESCEND', '$$PRUNE'] } }, /\$\$DESCEND/],
];

for (const [stage, message] of REFUSED) {
  test(`refused: ${JSON.stringify(stage)}`, () => assert.match(stageProblem(stage) ?? '', message));
}
