import { randomBytes } from 'node:crypto';
import { BSON } from 'bson';
import type { BsonValue, ChangeEvent } from '../../core/change-event.ts';
import type { ClusterTime } from '../../core/cluster-time.ts';
import type { SinkContext } from '../../core/connector.ts';
import type { Rejection, Sink, WriteContext, WriteResult } from '../../core/sink.ts';
import { type TestEventInit, testEvent } from '../../testing/events.ts';
import { testSearch } from '../../testing/servers/search.ts';
import { checkpointBehind, sinkContext } from '../../testing/sink-writes.ts';
import { openSearchClient } from './client.ts';
import { type SearchSinkConfig, searchSinkConfig } from './config.ts';
import { openSearchSink } from './sink.ts';

/*
 * What the tests of the sink share: indexes of their own on a real server, events with versions that a test chooses, and
 * reading back what is there.
 */

/** A server that has just started is slow where many others run beside it. */
const REQUEST_TIMEOUT = '3m';

/** A document as the index has it. */
export interface StoredDocument {
  readonly version: bigint;
  readonly source: Record<string, unknown>;
}

/** Indexes under a random database name; removed when disposed. */
export class SearchFixture implements AsyncDisposable {
  readonly url: string;
  readonly db = `test_${randomBytes(5).toString('hex')}`;

  constructor(url: string) {
    this.url = url;
  }

  static async open(): Promise<SearchFixture> {
    return new SearchFixture(await testSearch());
  }

  settings(more: Record<string, unknown> = {}): SearchSinkConfig {
    const usual = { nodes: [this.url], retries: { min: '1ms', max: '20ms' }, requestTimeout: REQUEST_TIMEOUT };
    return searchSinkConfig.parse({ ...usual, ...more });
  }

  sink(more: Record<string, unknown> = {}, context: Partial<SinkContext> = {}): Promise<Sink> {
    return openSearchSink(this.settings(more), sinkContext(context));
  }

  client() {
    return openSearchClient(this.settings(), new AbortController().signal);
  }

  /** The name of the index of a collection. */
  index(coll = 'items'): string {
    return `${this.db}.${coll}`;
  }

  /** An event in the database of this fixture. */
  event(init: EventInit = {}): ChangeEvent {
    return madeEvent(this.db, init);
  }

  /** Sends a request to the server; the answer as JSON. */
  async call(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${this.url}${path}`, { method, headers, ...content });
    const text = await response.text();
    return text === '' ? { status: response.status } : (JSON.parse(text) as Record<string, unknown>);
  }

  /** Every document of a collection's index that can be seen, by id. */
  async found(coll = 'items'): Promise<ReadonlyMap<string, StoredDocument>> {
    await this.call('POST', `/${this.index(coll)}/_refresh`);
    const response = await fetch(`${this.url}/${this.index(coll)}/_search?version=true&size=10000`);
    const keep = (key: string, value: unknown, { source }: { source: string }) =>
      key === '_version' ? BigInt(source) : value;
    const parsed = JSON.parse(await response.text(), keep as Parameters<typeof JSON.parse>[1]);
    const hits = (parsed.hits?.hits ?? []) as { _id: string; _version: bigint; _source: Record<string, unknown> }[];
    return new Map(hits.map(({ _id, _version, _source }) => [_id, { version: _version, source: _source }]));
  }

  /** The ids that can be seen, in order. */
  async ids(coll = 'items'): Promise<readonly string[]> {
    return [...(await this.found(coll)).keys()].sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const indexes = (await this.call('GET', `/_cat/indices/${this.db}*?format=json&expand_wildcards=all`)) as unknown;
    for (const { index } of indexes as { index: string }[]) await this.call('DELETE', `/${index}`);
  }
}

/** An event whose version and further fields a test chooses. */
export interface EventInit extends Omit<TestEventInit, 'namespace'> {
  readonly coll?: string;
  readonly time?: ClusterTime;
  readonly ordinal?: number;
  /** The document as bytes. */
  readonly after?: Buffer;
  /** Other fields of the event. */
  readonly fields?: Record<string, unknown>;
}

const namespaces = new Map<string, { db: string; coll: string }>();

function madeEvent(db: string, init: EventInit): ChangeEvent {
  const { coll = 'items', time, ordinal = 0, after, fields = {}, ...rest } = init;
  const name = `${db}.${coll}`;
  const namespace = namespaces.get(name) ?? { db, coll };
  namespaces.set(name, namespace);
  const event = testEvent({ ...rest, namespace });
  const more = BSON.serialize(fields);
  return {
    ...event,
    version: { clusterTime: time ?? event.position.clusterTime, ordinal },
    ...(after === undefined ? {} : { after: () => after }),
    field: (wanted) => valueOf(more, wanted) ?? event.field(wanted),
  };
}

function valueOf(document: Uint8Array, wanted: string): BsonValue | undefined {
  for (const [type, nameAt, nameLength, at, length] of BSON.onDemand.parseToElements(document)) {
    const name = Buffer.from(document.subarray(nameAt, nameAt + nameLength)).toString();
    if (name === wanted) return { type, bytes: document.subarray(at, at + length) };
  }
  return undefined;
}

/** What became of a batch. */
export interface WrittenBatch extends WriteResult {
  /** Each as the code of its error and the token of its event. */
  readonly rejected: readonly string[];
  readonly rejections: readonly Rejection[];
}

/** Writes the events as one batch. */
export async function writeAll(
  sink: Sink,
  events: readonly ChangeEvent[],
  context: Partial<WriteContext> = {},
): Promise<WrittenBatch> {
  const rejections: Rejection[] = [];
  const last = events.at(-1);
  if (last === undefined) throw new Error('a batch needs an event');
  const result = await sink.write(
    events.map((event) => ({ event, namespace: event.namespace })),
    {
      checkpoint: checkpointBehind(last, { partition: 'test/0', epoch: 1 }),
      signal: new AbortController().signal,
      reject: async (more) => void rejections.push(...more),
      ...context,
    },
  );
  const rejected = rejections.map(
    ({ error, envelope }) => `${error.code} ${Number(`0x${envelope.event.position.token}`)}`,
  );
  return { ...result, rejected, rejections };
}
