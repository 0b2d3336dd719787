/** `npm run bench -- NAME [--json] [--events N] [--runs N]`. */
import { parseArgs } from 'node:util';

interface Bench {
  run(options: BenchOptions): Promise<readonly object[]>;
  readonly DEFAULT_EVENTS: number;
}

const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  kafka: () => import('./kafka.ts'),
  nats: () => import('./nats.ts'),
  snapshot: () => import('./snapshot.ts'),
  mongodb: () => import('./mongodb.ts'),
  worker: () => import('./worker.ts'),
  opensearch: () => import('./opensearch.ts'),
  postgres: () => import('./postgres.ts'),
};

/** What every bench takes. */
export interface BenchOptions {
  readonly events: number;
  readonly runs: number;
  /** Shows progress and results; on stderr when results are printed as JSON. */
  say(text: string): void;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    events: { type: 'string' },
    runs: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
const [name = ''] = positionals;
const load = BENCHES[name];
if (load === undefined || values.help === true) {
  console.error(`usage: npm run bench -- ${Object.keys(BENCHES).join('|')} [--json] [--events N] [--runs 3]`);
  process.exit(values.help === true ? 0 : 2);
}
const bench = await load();
const say = (text: string) => console.error(text);
const results = await bench.run({
  events: Number(values.events ?? bench.DEFAULT_EVENTS),
  runs: Number(values.runs ?? 3),
  say,
});
for (const result of results) {
  if (values.json === true) console.log(JSON.stringify(result));
  else console.table(result);
}
