import type { Namespace } from '../../core/change-event.ts';
import type { LearnedCollection, LearnedFields } from '../../core/learned-fields.ts';
import type { Logger } from '../../core/logger.ts';
import type { SearchClient, SearchProduct } from './client.ts';
import { Indexes, type IndexesParts } from './indexes.ts';
import type { Properties } from './mapping/properties.ts';
import { SearchFixture } from './sink-fixture.ts';

/*
 * What the tests of indexes share: indexes of a sink whose learned fields a test sets, with its log.
 */

/** Learned fields of one collection, as a test sets them: types by path. */
export class SetFields implements LearnedFields {
  #known: LearnedCollection | undefined;

  set(fields: Readonly<Record<string, string>>, maps: readonly string[] = []): void {
    const paths = Object.entries(fields).map(([path, types]) => ({ path, types: types.split(' ') }));
    this.#known = { revision: (this.#known?.revision ?? 0) + 1, fields: paths, maps };
  }

  of(): LearnedCollection | undefined {
    return this.#known;
  }
}

/** A line of the log. */
export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Indexes of a sink on a real server, in a database of their own. */
export class IndexesFixture implements AsyncDisposable {
  readonly search: SearchFixture;
  readonly fields = new SetFields();
  readonly log: LogLine[] = [];
  readonly #clients: SearchClient[] = [];

  constructor(search: SearchFixture) {
    this.search = search;
  }

  static async open(): Promise<IndexesFixture> {
    return new IndexesFixture(await SearchFixture.open());
  }

  get index(): string {
    return this.search.index();
  }

  get logger(): Logger {
    const at = (level: LogLine['level']) => (fields: object, message: string) =>
      void this.log.push({ level, message, fields: { ...fields } });
    const logger: Logger = { debug() {}, info: at('info'), warn: at('warn'), error: at('error'), child: () => logger };
    return logger;
  }

  /** A connection that is closed with this. */
  async client(): Promise<SearchClient> {
    const client = await this.search.client();
    this.#clients.push(client);
    return client;
  }

  /** `product` is what they take the server for. */
  async indexes(
    more: Record<string, unknown> = {},
    product?: SearchProduct,
    { lookEveryMs }: Pick<IndexesParts, 'lookEveryMs'> = {},
  ): Promise<Indexes> {
    const real = await this.client();
    const client: SearchClient = {
      product: product ?? real.product,
      request: (request) => real.request(request),
      json: (request) => real.json(request),
      [Symbol.asyncDispose]: async () => {},
    };
    const config = this.search.settings(more);
    const often = lookEveryMs === undefined ? {} : { lookEveryMs };
    return new Indexes({ client, config, learned: this.fields, logger: this.logger, ...often });
  }

  namespace(coll = 'items'): Namespace {
    return { db: this.search.db, coll };
  }

  async prepare(indexes: Indexes, coll = 'items'): Promise<void> {
    const namespace = this.namespace(coll);
    await indexes.prepare(this.index, namespace, namespace, new AbortController().signal);
  }

  /** The index as the server has it. */
  async stored(): Promise<{
    readonly settings: Readonly<Record<string, unknown>>;
    readonly mappings: { readonly dynamic?: string; readonly _meta?: unknown; readonly properties?: Properties };
  }> {
    const answer = await this.search.call('GET', `/${this.index}?flat_settings=true`);
    return answer[this.index] as Awaited<ReturnType<IndexesFixture['stored']>>;
  }

  /** Writes a document as it is; the type of the error, or undefined. */
  async put(id: string, document: object): Promise<string | undefined> {
    const answer = await this.search.call('PUT', `/${this.index}/_doc/${id}?refresh=true`, document);
    return (answer['error'] as { type: string } | undefined)?.type;
  }

  /** The ids that a query finds. */
  async find(query: object): Promise<readonly string[]> {
    await this.search.call('POST', `/${this.index}/_refresh`);
    const { hits } = await this.search.call('POST', `/${this.index}/_search`, { query, size: 100 });
    return (hits as { hits: { _id: string }[] }).hits.map(({ _id }) => _id).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client[Symbol.asyncDispose]();
    await this.search[Symbol.asyncDispose]();
  }
}
