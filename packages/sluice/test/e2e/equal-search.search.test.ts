import { test } from 'node:test';
import { startSearch } from '../../src/testing/servers/search.ts';
import { searchTarget } from '../document-targets.ts';
import { equalRun } from '../equal-run.ts';

test('kill -9 of processes and of the index: in the end it holds what the source holds, directly and through brokers', {
  timeout: 1_200_000,
}, async (t) => {
  await using server = await startSearch();
  await equalRun(t, {
    direct: searchTarget(server.url),
    throughKafka: searchTarget(server.url),
    throughNats: searchTarget(server.url),
    async crash() {
      await server.stop('SIGKILL');
      await server.start();
    },
  });
});
