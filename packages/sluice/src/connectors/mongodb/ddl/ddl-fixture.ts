import { BSON, type Document, Timestamp } from 'mongodb';
import { NamespaceCache } from '../../../bson/namespace-cache.ts';
import { parseChangeEvent } from '../../../bson/raw-change-event.ts';
import type { ChangeEvent, Namespace } from '../../../core/change-event.ts';
import type { Envelope } from '../../../core/envelope.ts';
import type { Source } from '../../../core/source.ts';
import { Reading, StreamFixture } from '../stream-fixture.ts';
import { ddlConfig } from './config.ts';
import { type DdlApplier, openDdl } from './open-ddl.ts';

/*
 * What the tests of this folder share: a source database that is watched, a target database beside it that follows, and
 * what both are like.
 */

const SIGNAL = new AbortController().signal;

/** Applies an event that no transform has touched. */
export function applyTo(ddl: DdlApplier, event: ChangeEvent, namespace: Namespace = event.namespace) {
  const envelope: Envelope = { event, namespace };
  return ddl.apply(envelope, SIGNAL);
}

/** The event that a server sends, made of these fields. */
export function madeEvent(fields: Document): ChangeEvent {
  const clusterTime = new Timestamp({ t: 1_700_000_000, i: 1 });
  const raw = BSON.serialize({ _id: { _data: `8265` }, clusterTime, ...fields });
  return parseChangeEvent(raw, new NamespaceCache());
}

/** A source database and, in the same deployment, one with the suffix `_target` that follows it. */
export class DdlFixture implements AsyncDisposable {
  readonly stream: StreamFixture;
  readonly #opened = new AsyncDisposableStack();
  #source: Source | undefined;
  #reading: Reading | undefined;
  /** Events that were asked for before. */
  #taken = 0;

  private constructor(stream: StreamFixture) {
    this.stream = stream;
  }

  static async open(uri: string): Promise<DdlFixture> {
    return new DdlFixture(await StreamFixture.open(uri));
  }

  get source() {
    return this.stream.db;
  }

  get target() {
    return this.stream.client.db(`${this.source.databaseName}_target`);
  }

  get warnings(): string[] {
    return this.stream.log.filter(({ level }) => level !== 'info' && level !== 'debug').map(({ message }) => message);
  }

  /** Begins to watch, with more settings of the source. */
  async watch(settings: Record<string, unknown> = {}): Promise<void> {
    const source = this.#opened.use(await this.stream.source({ ddl: true, ...settings }));
    this.#source = source;
    this.#reading = this.#opened.use(await new Reading(source).start());
  }

  ddl(settings: unknown = 'apply', options: Partial<Parameters<typeof openDdl>[1]> = {}): DdlApplier {
    const { client, context } = this.stream;
    const mapNamespace = ({ db, coll }: Namespace) => ({ db: `${db}_target`, coll });
    const config = ddlConfig.parse(settings);
    return openDdl(config, { client, logger: context.logger, mapNamespace, ...options });
  }

  /** Everything that came since it was asked last, up to what has been done by now. */
  async events(): Promise<ChangeEvent[]> {
    const reading = this.#reading;
    if (reading === undefined) throw new Error('nothing is watched');
    const before = this.#taken;
    const name = `done_${reading.events.length}_${Date.now()}`;
    await this.source.collection(name).insertOne({});
    await reading.until(({ events }) => events.some(({ op, namespace }) => op === 'insert' && namespace.coll === name));
    await this.source.collection(name).drop();
    await reading.until(({ events }) => events.some(({ op, namespace }) => op === 'drop' && namespace.coll === name));
    this.#taken = reading.events.length;
    return reading.events.slice(before).filter(({ namespace }) => namespace.coll !== name);
  }

  /** Applies all changes of collections that came; what became of each. */
  async follow(ddl = this.ddl()): Promise<string[]> {
    const outcomes: string[] = [];
    for (const event of await this.events()) {
      if (['insert', 'snapshot'].includes(event.op)) continue;
      outcomes.push(`${event.op} ${event.namespace.coll} ${await applyTo(ddl, event)}`);
    }
    return outcomes;
  }

  /** Applies what comes until the snapshot of the source is completed. */
  async untilCopied(ddl = this.ddl()): Promise<void> {
    while (this.#source?.snapshots?.status(Date.now())?.state !== 'completed') await this.follow(ddl);
    await this.follow(ddl);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
    await this.target.dropDatabase().catch(() => {});
    await this.stream[Symbol.asyncDispose]();
  }
}

/** What a database has, as text: collections with their options, and their indexes. */
export async function structureOf(db: DdlFixture['source']): Promise<Record<string, unknown>> {
  const typed = { promoteValues: false } as never;
  const infos = (await db.listCollections({}, typed).toArray()) as Document[];
  const all: Record<string, unknown> = {};
  for (const { name, type, options } of infos) {
    const text = String(name);
    if (text.startsWith('system.')) continue;
    const isView = String(type) === 'view';
    const indexes = isView ? [] : await db.collection(text).listIndexes(typed).toArray();
    const texts = indexes.map((index) => BSON.EJSON.stringify(index, { relaxed: false })).toSorted();
    all[text] = { type: String(type), options: BSON.EJSON.stringify(options, { relaxed: false }), indexes: texts };
  }
  return Object.fromEntries(Object.entries(all).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
