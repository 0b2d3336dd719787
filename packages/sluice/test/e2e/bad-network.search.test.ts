import { test } from 'node:test';
import { testSearch } from '../../src/testing/servers/search.ts';
import { badNetworkRun } from '../bad-network-run.ts';
import { searchTarget, waitUntilEqual } from '../document-targets.ts';

test('connections to OpenSearch break again and again: the index is equal in the end', {
  timeout: 600_000,
}, async (t) => {
  const url = await testSearch();
  await using target = searchTarget(url);
  await badNetworkRun(t, {
    ports: [Number(new URL(url).port)],
    pipelines: (source, [address], id) => ({
      [`network-${id}`]: { source, sink: target.sink({}, `http://${address}`) },
    }),
    untilEqual: (source, collections, timeoutMs) => waitUntilEqual(target, source, { collections, timeoutMs }),
  });
});
