import { hash } from 'node:crypto';
import { type Document, MaxKey, type MongoClient, Timestamp } from 'mongodb';
import { asBuffer, BsonType, findField } from '../../../bson/elements.ts';
import { parseCursorReply } from '../../../bson/reply.ts';
import { type BsonValue, compareVersions, type Version } from '../../../core/change-event.ts';
import type { ClusterTime } from '../../../core/cluster-time.ts';
import { classify } from '../classify.ts';
import { runCommand } from '../client.ts';
import type { KeyPlan } from './collapse.ts';
import type { MongodbSinkConfig } from './config.ts';
import { idQuery } from './document-key.ts';
import type { TargetCollection } from './name-template.ts';
import { documentField, int64Field, type RawField, rawDocument, trueField } from './raw-build.ts';
import { DeleteStatement, RawDocument, UpdateStatement } from './statements.ts';
import type { TargetWriter, WriteScope, Written } from './target-writer.ts';

/** Keys up to this length are written out, longer ones as a hash. */
const MAX_PLAIN_CHARACTERS = 200;
const SWEEP_DOCUMENTS = 1_000;

/**
 * The versions of the documents that were written, beside them in a collection of their own, so that the documents stay
 * as they are at the source: `{_id: {n: namespace, k: key}, id, v: {t: cluster time, o: ordinal}}`, for deleted documents
 * with `d: true` and `at`, from which on they are forgotten.
 *
 * The time is not at the top: there a server puts its own in the place of the empty one that changes without a cluster
 * time have.
 */
export class Versions {
  readonly #writer: TargetWriter;
  readonly #place: TargetCollection;

  constructor(writer: TargetWriter, { database: db, collection: coll }: MongodbSinkConfig['versions']) {
    this.#writer = writer;
    this.#place = { db, coll, name: `${db}.${coll}` };
  }

  /** Makes the index by which deleted documents are forgotten. Throws classified errors of the phase `state`. */
  static async prepare(client: MongoClient, config: MongodbSinkConfig['versions'], signal: AbortSignal): Promise<void> {
    const { database, collection: createIndexes, keepDeleted } = config;
    const context = { client, phase: 'state', doing: `prepare ${database}.${createIndexes}`, signal } as const;
    const name = 'forget_deleted';
    const expireAfterSeconds = Math.round(keepDeleted / 1000);
    const indexes = [{ key: { at: 1 }, name, expireAfterSeconds }];
    try {
      await runCommand(context, database, { createIndexes, indexes, writeConcern: { w: 'majority' } });
    } catch (error) {
      // With another time it is there already.
      await runCommand(context, database, { collMod: createIndexes, index: { name, expireAfterSeconds } }).catch(() => {
        throw error;
      });
    }
  }

  /** What is newer than what the target has; deltas of a plan may be newer in part. */
  async newer(target: TargetCollection, plans: readonly KeyPlan[], scope: WriteScope): Promise<Newer> {
    const unknown = new Set<KeyPlan>();
    if (plans.length === 0) return { plans, unknown };
    const versions = await this.#read(target, plans, scope);
    const newer = plans.flatMap((plan) => {
      const stored = versions.get(keyOf(plan));
      if (stored !== undefined) return newerPart(plan, stored);
      unknown.add(plan);
      return [plan];
    });
    return { plans: newer, unknown };
  }

  /** Notes what was written, in the transaction that has asked for what is newer. */
  async write(target: TargetCollection, { plans, unknown }: Newer, scope: WriteScope): Promise<void> {
    const known = plans.filter((plan) => !unknown.has(plan));
    await this.#update(
      known.map((plan) => asUpdate(versionOf(plan, target))),
      scope,
    );
    if (unknown.size === 0) return;
    const documents = [...unknown].map((plan) => new RawDocument(versionOf(plan, target).document));
    this.#refuse(await this.#writer.insert(this.#place, documents, scope));
  }

  /**
   * Deletes some documents of a collection that were last written before a time; resolves with their number, 0 when none
   * is left.
   */
  async sweep(target: TargetCollection, since: ClusterTime, scope: WriteScope): Promise<number> {
    const { coll: find, db } = this.#place;
    const range = { $gte: { n: target.name }, $lt: { n: target.name, k: new MaxKey() } };
    const filter = { _id: range, 'v.t': { $lt: new Timestamp(since) }, d: { $ne: true } };
    const found = await this.#find(db, { find, filter, projection: { id: 1 }, limit: SWEEP_DOCUMENTS }, scope);
    const old = found.map((document) => ({ versionId: rawId(document), id: findField(document, 'id') }));
    const keys = old.flatMap(({ id }) => (id === undefined ? [] : [idQuery(id)]));
    if (keys.length === 0) return 0;
    await this.#writer.delete(
      target,
      keys.map((key) => new DeleteStatement(key)),
      scope,
    );
    const version = { clusterTime: since, ordinal: 0 };
    const tombstones = old.map(({ versionId: id }, index) =>
      versionDocument(id, { query: keys[index] as Uint8Array, version, isDeleted: true }),
    );
    await this.#update(tombstones.map(asUpdate), scope);
    return keys.length;
  }

  async #read(target: TargetCollection, plans: readonly KeyPlan[], scope: WriteScope): Promise<Map<string, Version>> {
    const { coll: find, db } = this.#place;
    const ids = plans.map((plan) => ({ n: target.name, k: keyOf(plan) }));
    const command = { find, filter: { _id: { $in: ids } }, projection: { v: 1 }, batchSize: ids.length + 1 };
    const found = await this.#find(db, command, scope);
    return new Map(found.map((document) => [rawKey(document), rawVersion(document)]));
  }

  async #find(db: string, command: Document, scope: WriteScope): Promise<readonly Uint8Array[]> {
    const options = { ...command, singleBatch: true };
    const reply = await this.#writer.command(db, options, `read ${this.#place.name}`, scope);
    return parseCursorReply(reply['cursor'] as Uint8Array).events;
  }

  async #update(statements: readonly UpdateStatement[], scope: WriteScope): Promise<void> {
    if (statements.length === 0) return;
    this.#refuse(await this.#writer.update(this.#place, statements, { ...scope, ordered: true }));
  }

  #refuse({ errors: [first] }: Written): void {
    if (first !== undefined) throw classify(first.error, 'state', `write to ${this.#place.name}`);
  }
}

/** What is newer than what the target has. */
export interface Newer {
  readonly plans: readonly KeyPlan[];
  /** Those of documents without a version. */
  readonly unknown: ReadonlySet<KeyPlan>;
}

function newerPart(plan: KeyPlan, stored: Version): readonly KeyPlan[] {
  const steps = plan.steps.filter(({ envelope }) => compareVersions(envelope.event.version, stored) > 0);
  return steps.length === 0 ? [] : [{ ...plan, steps }];
}

function keyOf({ key: { text } }: KeyPlan): string {
  return text.length <= MAX_PLAIN_CHARACTERS ? text : hash('sha256', text);
}

function versionId(target: TargetCollection, key: string): BsonValue {
  return documentField('_id', [textField('n', target.name), textField('k', key)]);
}

/** A version as it is stored. */
interface StoredVersion {
  readonly id: BsonValue;
  readonly document: Buffer;
}

function versionOf(plan: KeyPlan, target: TargetCollection): StoredVersion {
  const { version } = plan.last.event;
  const isDeleted = plan.steps.at(-1)?.kind === 'delete';
  return versionDocument(versionId(target, keyOf(plan)), { query: plan.key.query, version, isDeleted });
}

function versionDocument(
  id: BsonValue,
  of: { readonly query: Uint8Array; readonly version: Version; readonly isDeleted: boolean },
): StoredVersion {
  const documentId = findField(of.query, '_id');
  const document = rawDocument([
    { ...id, name: '_id' },
    ...(documentId === undefined ? [] : [{ ...documentId, name: 'id' }]),
    documentField('v', [timestampField('t', of.version.clusterTime), int64Field('o', of.version.ordinal)]),
    ...(of.isDeleted ? [trueField('d'), dateField('at', Date.now())] : []),
  ]);
  return { id, document };
}

function asUpdate({ id, document }: StoredVersion): UpdateStatement {
  return new UpdateStatement(idQuery(id), document);
}

function rawId(document: Uint8Array): BsonValue {
  return findField(document, '_id') as BsonValue;
}

function rawKey(document: Uint8Array): string {
  const text = findField(rawId(document).bytes, 'k')?.bytes ?? Buffer.alloc(5);
  return asBuffer(text).toString('utf8', 4, text.length - 1);
}

function rawVersion(document: Uint8Array): Version {
  const version = findField(document, 'v')?.bytes ?? rawDocument([]);
  const time = asBuffer(findField(version, 't')?.bytes ?? Buffer.alloc(8));
  const ordinal = asBuffer(findField(version, 'o')?.bytes ?? Buffer.alloc(8));
  return {
    clusterTime: { t: time.readUInt32LE(4), i: time.readUInt32LE(0) },
    ordinal: Number(ordinal.readBigInt64LE(0)),
  };
}

function textField(name: string, text: string): RawField {
  const encoded = Buffer.from(text);
  const bytes = Buffer.alloc(4 + encoded.length + 1);
  bytes.writeInt32LE(encoded.length + 1);
  encoded.copy(bytes, 4);
  return { name, type: BsonType.string, bytes };
}

function timestampField(name: string, { t, i }: ClusterTime): RawField {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(i, 0);
  bytes.writeUInt32LE(t, 4);
  return { name, type: BsonType.timestamp, bytes };
}

function dateField(name: string, ms: number): RawField {
  return { ...int64Field(name, ms), type: BsonType.date };
}
