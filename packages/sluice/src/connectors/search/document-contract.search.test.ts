import { randomBytes } from 'node:crypto';
import { idTextOf } from '../../bson/id-text.ts';
import * as b from '../../bson/test-support/bson-bytes.ts';
import { type DocumentSinkFixture, documentSinkContract } from '../../testing/contracts/document-sink.ts';
import { testSearch } from '../../testing/servers/search.ts';
import { sinkContext } from '../../testing/sink-writes.ts';
import { searchSinkConfig } from './config.ts';
import { openSearchSink } from './sink.ts';

const promises = { guarded: true, sweeps: true, empties: true, renames: true, lanes: true, asks: true };
const refused = [['a..b', b.int32(1)]] as const;

for (const mode of ['remove', 'tombstone']) {
  documentSinkContract(`search ${mode}`, { ...promises, refused }, () => indexes({ deletes: { mode } }));
}

async function indexes(settings: object): Promise<DocumentSinkFixture> {
  const url = await testSearch();
  const prefix = `contract-${randomBytes(4).toString('hex')}`;
  const config = searchSinkConfig.parse({ nodes: [url], index: `${prefix}-{coll}`, ...settings });
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
