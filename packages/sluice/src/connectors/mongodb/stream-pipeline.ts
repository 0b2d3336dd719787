import { type Document, EJSON, Timestamp } from 'bson';
import type { ClusterTime } from '../../core/cluster-time.ts';
import { SluiceError } from '../../core/failure.ts';
import type { MongodbSourceConfig } from './config.ts';
import { namespaceFilter } from './namespace-filter.ts';
import type { Scope } from './scope.ts';

/** Where a stream begins on the server. `after` is behind a token, also one of an invalidate event; `time` is inclusive. */
export type StartPoint =
  | { readonly kind: 'now' }
  | { readonly kind: 'after'; readonly token: string }
  | { readonly kind: 'time'; readonly clusterTime: ClusterTime };

/** How events that do not fit into one answer of the server are treated. */
export type LargeEvents =
  /** Nothing is done: the server fails when it meets one (error 10334). */
  | 'fail'
  /** The images are left out of such events; costs the server the measuring of every event. */
  | 'drop-images'
  /** The server sends them in pieces (6.0.9 and 7.0). */
  | 'split';

/** What selects and shapes the events of a source. */
export interface StreamConfig extends Pick<MongodbSourceConfig, 'pipeline' | 'fullDocument' | 'beforeImage' | 'ddl'> {
  /**
   * What of the pipeline's transforms the server does already, as a query with Extended JSON values. It is no part of what a
   * position is bound to: the transforms decide again.
   */
  readonly serverMatch?: Readonly<Record<string, unknown>> | undefined;
}

/** The document that comes with an update where nothing is said and the sink does not need another one. */
export function fullDocumentOf({ fullDocument }: Pick<MongodbSourceConfig, 'fullDocument'>) {
  return fullDocument ?? 'whenAvailable';
}

/** The whole pipeline of a change stream. */
export function streamPipeline(config: StreamConfig, scope: Scope, start: StartPoint, large: LargeEvents): Document[] {
  const filter = namespaceFilter(scope);
  return [
    { $changeStream: changeStreamOptions(config, scope, start) },
    ...(filter === undefined ? [] : [filter]),
    ...userStages(config.pipeline),
    ...(config.serverMatch === undefined
      ? []
      : [{ $match: EJSON.deserialize(config.serverMatch, { relaxed: false }) }]),
    ...(large === 'drop-images' ? DROP_IMAGES : []),
    ...(large === 'split' ? [{ $changeStreamSplitLargeEvent: {} }] : []),
  ];
}

/** What the aggregate of a scope is run on: a database, and a collection in it or 1. */
export function streamTarget(scope: Scope): { readonly db: string; readonly aggregate: string | 1 } {
  if (scope.level === 'collection') return { db: scope.db, aggregate: scope.coll };
  return { db: scope.level === 'database' ? scope.db : 'admin', aggregate: 1 };
}

/** The user's stages with their Extended JSON values turned into BSON ones. Throws `config`. */
export function userStages(pipeline: StreamConfig['pipeline']): Document[] {
  return pipeline.map((stage, index) => {
    try {
      return EJSON.deserialize(stage, { relaxed: false }) as Document;
    } catch (cause) {
      throw new SluiceError(`stage ${index + 1} of source.mongodb.pipeline holds a value that is not Extended JSON`, {
        kind: 'config',
        code: 'mongodb.pipeline-values',
        hint: 'Check the values that are written with a $, such as { $oid: … } and { $date: … }.',
        cause,
      });
    }
  });
}

function changeStreamOptions(config: StreamConfig, scope: Scope, start: StartPoint): Document {
  const fullDocument = fullDocumentOf(config);
  return {
    ...(scope.level === 'deployment' ? { allChangesForCluster: true } : {}),
    ...(fullDocument === 'off' ? {} : { fullDocument }),
    ...(config.beforeImage === 'off' ? {} : { fullDocumentBeforeChange: config.beforeImage }),
    ...(config.ddl === true ? { showExpandedEvents: true } : {}),
    ...startOption(start),
  };
}

function startOption(start: StartPoint): Document {
  if (start.kind === 'after') return { startAfter: { _data: start.token } };
  if (start.kind === 'time') return { startAtOperationTime: new Timestamp(start.clusterTime) };
  return {};
}

/** What an event may have: the largest document less some room for the fields that are not measured. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024 - 256 * 1024;

const BEFORE = sizeOf('fullDocumentBeforeChange');
const AFTER = sizeOf('fullDocument');
const UPDATE = sizeOf('updateDescription');
/** The resume token repeats the document key, in hex. */
const KEY = { $multiply: [sizeOf('documentKey'), 4] };

/** Leaves out as little as is needed: the image before the change, then the one after it, then the delta. */
const DROP_IMAGES: readonly Document[] = [
  { $set: { _sluice: { $cond: [tooLarge(BEFORE, AFTER, UPDATE, KEY), { dropped: 'images' }, '$$REMOVE'] } } },
  {
    $set: {
      updateDescription: dropIf(tooLarge(UPDATE, KEY), 'updateDescription'),
      fullDocument: dropIf(tooLarge(AFTER, UPDATE, KEY), 'fullDocument'),
      fullDocumentBeforeChange: dropIf(tooLarge(BEFORE, AFTER, UPDATE, KEY), 'fullDocumentBeforeChange'),
    },
  },
];

function sizeOf(field: string): Document {
  const path = `$${field}`;
  return { $cond: [{ $eq: [{ $type: path }, 'object'] }, { $bsonSize: path }, 0] };
}

function tooLarge(...sizes: readonly Document[]): Document {
  return { $gt: [{ $add: sizes }, MAX_EVENT_BYTES] };
}

function dropIf(condition: Document, field: string): Document {
  return { $cond: [condition, '$$REMOVE', `$${field}`] };
}
