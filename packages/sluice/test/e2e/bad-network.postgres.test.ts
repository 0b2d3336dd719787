import { test } from 'node:test';
import { testPostgres } from '../../src/testing/servers/postgres.ts';
import { badNetworkRun } from '../bad-network-run.ts';
import { postgresTarget, waitUntilEqual } from '../document-targets.ts';

for (const delivery of ['at-least-once', 'exactly-once']) {
  test(`connections to PostgreSQL break again and again: the table is equal in the end (${delivery})`, {
    timeout: 600_000,
  }, async (t) => {
    const uri = await testPostgres();
    await using target = postgresTarget(uri, ['k', 'n', 'pad']);
    await badNetworkRun(t, {
      ports: [Number(new URL(uri).port)],
      pipelines: (source, [address], id) => {
        const through = new URL(uri);
        through.host = address ?? '';
        return { [`network-${id}`]: { source, sink: target.sink({ delivery }, through.href) } };
      },
      untilEqual: (source, collections, timeoutMs) => waitUntilEqual(target, source, { collections, timeoutMs }),
    });
  });
}
