import { SluiceError } from '../core/failure.ts';
import type { Ledger } from './ledger.ts';

/** A collection that the connector watches. */
export interface NatsCollection {
  readonly database: string;
  readonly collection: string;
  readonly stream: string;
  readonly tokens: { readonly database: string; readonly collection: string };
  /** Where it is named in the input. */
  readonly option: string;
}

const TOKENS_DATABASE = 'resume-tokens';

/** The collections of the file, or else those of `MONGO_WATCH_COLLECTIONS`. Throws `config` errors. */
export function natsCollections(ledger: Ledger, uri: string): readonly NatsCollection[] {
  const indexes = new Set(ledger.names().flatMap((name) => /^connector\.collections\[(\d+)\]/.exec(name)?.[1] ?? []));
  const inFile = [...indexes].map((index) => fromFile(ledger, `connector.collections[${index}]`));
  const collections = inFile.length > 0 ? inFile : fromEnvironment(ledger, uri);
  if (inFile.length > 0) {
    ledger.note('MONGO_WATCH_COLLECTIONS', 'not-needed', 'the file names the collections');
    ledger.note('NATS_STREAM_NAME', 'not-needed', 'the file names the streams');
  }
  if (collections.length === 0) throw missing('no collection is named');
  for (const [index, one] of collections.entries()) noteShared(ledger, one, collections.slice(0, index));
  return collections;
}

/** The tokens of two collections in one place: the newest of them says nothing about the other collection. */
function noteShared(ledger: Ledger, { tokens, option }: NatsCollection, others: readonly NatsCollection[]): void {
  const { database, collection } = tokens;
  const other = others.find((one) => one.tokens.database === database && one.tokens.collection === collection);
  if (other === undefined) return;
  const reason = `shares the tokens in ${database}.${collection} with ${other.database}.${other.collection}: which token is whose cannot be told`;
  ledger.remark(option, 'not-supported', reason);
}

function fromFile(ledger: Ledger, option: string): NatsCollection {
  const read = (name: string) => ledger.text(`${option}.${name}`);
  const database = read('dbName');
  const collection = read('collName');
  if (database === undefined) throw missing(`${option}.dbName is missing`);
  if (collection === undefined) throw missing(`${option}.collName is missing`);
  const include = 'source.mongodb.include';
  for (const name of ['dbName', 'collName']) ledger.mapped(`${option}.${name}`, include);
  ledger.mapped(`${option}.streamName`, 'sink.nats.stream, sink.nats.subject');
  const tokens = 'where to continue; checkpoints are kept in sluice.checkpoints';
  for (const name of ['tokensDbName', 'tokensCollName'])
    ledger.mapped(`${option}.${name}`, 'source.mongodb.startAt', tokens);
  for (const name of ['tokensCollCapped', 'tokensCollSizeInBytes', 'tokensCollSize']) {
    ledger.note(`${option}.${name}`, 'not-needed', 'a checkpoint is one document');
  }
  const images = read('changeStreamPreAndPostImages')?.toLowerCase() === 'true';
  const reason = images
    ? 'the collection is not altered: it has the setting already, or "sluice doctor" shows the command'
    : 'the collection is not altered';
  ledger.note(`${option}.changeStreamPreAndPostImages`, images ? 'changed' : 'not-needed', reason);
  return {
    database,
    collection,
    stream: read('streamName') ?? collection.toUpperCase(),
    tokens: { database: read('tokensDbName') ?? TOKENS_DATABASE, collection: read('tokensCollName') ?? collection },
    option,
  };
}

/** `db.coll,db.other`; a name without a database is in that of the connection string. */
function fromEnvironment(ledger: Ledger, uri: string): readonly NatsCollection[] {
  const option = 'MONGO_WATCH_COLLECTIONS';
  const names = (ledger.text(option) ?? '').split(',').map((name) => name.trim());
  const ownDatabase = /^[^:]+:\/\/[^/]*\/([^?]+)/.exec(uri)?.[1];
  const stream = ledger.text('NATS_STREAM_NAME');
  ledger.mapped(option, 'source.mongodb.include');
  ledger.mapped('NATS_STREAM_NAME', 'sink.nats.stream, sink.nats.subject');
  return names
    .filter((name) => name !== '')
    .map((name) => {
      const dot = name.indexOf('.');
      const database = dot < 0 ? ownDatabase : name.slice(0, dot);
      if (database === undefined) throw missing(`${option}: ${name} does not say its database`);
      const collection = name.slice(dot + 1);
      const tokens = { database: TOKENS_DATABASE, collection };
      return { database, collection, stream: stream ?? collection.toUpperCase(), tokens, option };
    });
}

function missing(message: string): SluiceError {
  return new SluiceError(message, {
    kind: 'config',
    code: 'import.incomplete',
    hint: 'Each collection needs dbName and collName in the file, or set MONGO_WATCH_COLLECTIONS to db.coll,db.coll.',
  });
}
