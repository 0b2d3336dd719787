import { test } from 'node:test';
import { testPostgres } from '../../src/testing/servers/postgres.ts';
import { postgresTarget } from '../document-targets.ts';
import { zombieRun } from '../zombie-run.ts';

for (const delivery of ['at-least-once', 'exactly-once']) {
  test(`a paused owner whose writes arrive late brings nothing back (${delivery})`, { timeout: 300_000 }, async () => {
    const uri = await testPostgres();
    await using target = postgresTarget(uri);
    const addressAt = (port: number) => Object.assign(new URL(uri), { port: String(port) }).href;
    await zombieRun({ target, settings: { delivery }, port: Number(new URL(uri).port), addressAt });
  });
}
