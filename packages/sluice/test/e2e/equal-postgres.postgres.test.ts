import { test } from 'node:test';
import { startPostgres } from '../../src/testing/servers/postgres.ts';
import { postgresTarget } from '../document-targets.ts';
import { equalRun } from '../equal-run.ts';

/** Fields of the documents that are written. */
const COLUMNS = ['k', 'n', 'op', 'writer', 'pad'];

test('kill -9 of processes and of PostgreSQL: in the end it holds what the source holds, directly and through brokers', {
  timeout: 1_200_000,
}, async (t) => {
  await using server = await startPostgres();
  await equalRun(t, {
    direct: postgresTarget(server.uri, COLUMNS),
    throughKafka: postgresTarget(server.uri, COLUMNS),
    throughNats: postgresTarget(server.uri, COLUMNS),
    async crash() {
      await server.stop('SIGKILL');
      await server.start();
    },
  });
});
