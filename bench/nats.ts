import { startMongo } from '../packages/sluice/src/testing/servers/mongo.ts';
import { startNats } from '../packages/sluice/src/testing/servers/nats.ts';
import { tempDir } from '../packages/sluice/src/testing/temp-dir.ts';
import { compileBench } from './compiled-bench.ts';
import { loadGround, measureLive, shown } from './live.ts';
import type { BenchOptions } from './main.ts';
import type { Measurement } from './measure.ts';
import { median, round } from './statistics.ts';

export { DEFAULT_EVENTS } from './live.ts';

/** MongoDB → JetStream: a raw drain and the pipeline alternate, then the client alone publishes the same bodies. */
export async function run({ events, runs, say }: BenchOptions): Promise<readonly object[]> {
  const child = await compileBench();
  await using mongo = await startMongo();
  await using nats = await startNats();
  await using directory = await tempDir('bench');
  say(`loading ${events} orders`);
  const ground = await loadGround(mongo.uri, { directory: directory.path, events, child });
  const { servers } = nats;
  const results: object[] = [];
  for (const delivery of ['at-least-once', 'exactly-once'] as const) {
    const sink = (id: string) => ({ nats: { servers, stream: id, subject: `${id}.{coll}.{op}`, delivery } });
    const measured = await measureLive(ground, { bench: 'nats', delivery, sink }, { runs, say });
    const published: Measurement[] = [];
    for (let run = 1; run <= runs; run++) {
      const { t, i } = { t: ground.start.getHighBits() >>> 0, i: ground.start.getLowBits() >>> 0 };
      const alone = await child<Measurement>('nats-publish', [servers.join(','), mongo.uri, t, i, events]);
      published.push(alone);
      say(`publishing alone ${run}/${runs}: ${shown(alone)}`);
    }
    const publishPerSecond = Math.round(median(published.map(({ eventsPerSecond }) => eventsPerSecond)));
    const publishRatio = round(measured.eventsPerSecond / publishPerSecond, 3);
    results.push({ ...measured, publishPerSecond, publishRatio });
  }
  return results;
}
