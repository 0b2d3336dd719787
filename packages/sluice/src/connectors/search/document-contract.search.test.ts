import { randomBytes } from 'node:crypto';
import { after } from 'node:test';
import { idTextOf } from '../../bson/id-text.ts';
import * as b from '../../bson/test-support/bson-bytes.ts';
import { type DocumentSinkFixture, documentSinkContract } from '../../testing/contracts/document-sink.ts';
import { type SearchServer, startSearch, testSearch } from '../../testing/servers/search.ts';
import { sinkContext } from '../../testing/sink-writes.ts';
import { searchSinkConfig } from './config.ts';
import { openSearchSink } from './sink.ts';

const promises = { guarded: true, sweeps: true, empties: true, renames: true, lanes: true, asks: true };
const refused = [['a..b', b.int32(1)]] as const;

for (const mode of ['remove', 'tombstone']) {
  documentSinkContract(`search ${mode}`, { ...promises, refused }, async () =>
    indexes(await testSearch(), { deletes: { mode } }),
  );
}

let elasticsearch: Promise<SearchServer> | undefined;
after(async () => (await elasticsearch)?.[Symbol.asyncDispose]());

documentSinkContract('search, Elasticsearch', { ...promises, refused }, async () => {
  elasticsearch ??= startSearch({ product: 'elasticsearch' });
  return indexes((await elasticsearch).url, {});
});

function indexes(url: string, settings: object): DocumentSinkFixture {
  const prefix = `contract-${randomBytes(4).toString('hex')}`;
  const config = searchSinkConfig.parse({ nodes: [url], index: `${prefix}-{coll}`, requestTimeout: '3m', ...settings });
  return {
    open: () => openSearchSink(config, sinkContext()),
    async documents(coll) {
      const index = `${url}/${prefix}-${coll}`;
      await fetch(`${index}/_refresh`, { method: 'POST' });
      const response = await fetch(`${index}/_search?size=10000&ignore_unavailable=true`);
      const { hits } = (await response.json()) as { hits: { hits: readonly Hit[] } };
      const documents = hits.hits.filter(({ _source }) => _source['_sluice'] === undefined);
      return new Map(documents.map(({ _id, _source }) => [_id, _source['n'] as number]));
    },
    nameOf: idTextOf,
    async cleanup() {
      await fetch(`${url}/${prefix}-*`, { method: 'DELETE' });
    },
  };
}

interface Hit {
  readonly _id: string;
  readonly _source: Readonly<Record<string, unknown>>;
}
