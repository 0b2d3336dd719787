import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ChangeEvent } from '../../core/change-event.ts';
import { silentLogger } from '../../core/logger.ts';
import { testPostgres } from '../../testing/servers/postgres.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { Session } from './client.ts';
import { collapse } from './collapse.ts';
import { Collections } from './collections.ts';
import { postgresSinkConfig } from './config.ts';
import { DocumentJson } from './document-json.ts';
import { TargetNames } from './names.ts';
import { checkpointOf, event, PostgresFixture, writeEvents } from './sink-fixture.ts';
import { StateTables } from './state-tables.ts';
import { sweep, TableWork } from './sweep.ts';
import { TableGates } from './table-gates.ts';
import { Tables } from './tables.ts';
import { writeRows } from './write-table.ts';

/*
 * Two writers on connections of their own, each in a transaction that is stopped between its statements, in all orders in
 * which the statements of one can come between those of the other.
 */

const signal = new AbortController().signal;
let fixture: PostgresFixture;
before(async () => {
  fixture = await PostgresFixture.open(await testPostgres());
});
after(() => fixture[Symbol.asyncDispose]());

/** A writer that goes from one statement to the next when it is told to. */
class Stepper implements AsyncDisposable {
  readonly session: Session;
  /** The server process, by which it is seen whether it waits for a lock. */
  readonly pid: number;
  #go = Promise.withResolvers<void>();
  #arrived = Promise.withResolvers<void>();
  isDone = false;
  running: Promise<unknown> = Promise.resolve();

  private constructor(session: Session, pid: number) {
    this.session = session;
    this.pid = pid;
  }

  static async open(): Promise<Stepper> {
    const config = postgresSinkConfig.parse({ uri: fixture.uri });
    const session = await Session.open(config, signal);
    const { rows } = await session.query({ text: 'select pg_backend_pid() as pid' }, signal);
    const stepper = new Stepper(session, Number(rows[0]?.['pid']));
    const { prepared } = session;
    session.prepared = async (...args) => {
      await stepper.#gate();
      return await prepared.apply(session, args);
    };
    return stepper;
  }

  /** Begins a transaction that writes the events, and stops before its first statement. */
  async begin(world: World, events: readonly ChangeEvent[]): Promise<void> {
    await this.session.query({ text: 'begin isolation level read committed' }, signal);
    this.isDone = false;
    this.#arrived = Promise.withResolvers();
    const arrived = this.#arrived.promise;
    this.running = (async () => {
      for (const part of await world.rows(this.session, events))
        await writeRows(part, { session: this.session, signal });
      await this.#gate();
      await this.session.query({ text: 'commit' }, signal);
    })().finally(() => {
      this.isDone = true;
      this.#arrived.resolve();
    });
    this.running.catch(() => {});
    await arrived;
  }

  /** Runs the next statement; resolves when it is done, or when it waits for the other one. */
  async step(): Promise<'done' | 'waits'> {
    this.#arrived = Promise.withResolvers();
    let isThere = false;
    void this.#arrived.promise.then(() => {
      isThere = true;
    });
    this.#go.resolve();
    await waitFor(async () => isThere || (await isWaiting(this.pid)), {
      timeoutMs: 60_000,
      message: 'the statement is done or waits for a lock',
      intervalMs: 2,
    });
    return isThere ? 'done' : 'waits';
  }

  /** Resolves when the statement that waited is done. */
  async arrival(): Promise<void> {
    await this.#arrived.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session[Symbol.asyncDispose]();
  }

  async #gate(): Promise<void> {
    this.#go = Promise.withResolvers();
    this.#arrived.resolve();
    await this.#go.promise;
  }
}

async function isWaiting(pid: number): Promise<boolean> {
  const [row] = await fixture.rows('select cardinality(pg_blocking_pids($1)) > 0 as waits', [pid]);
  return row?.['waits'] === true;
}

/** What makes rows of events, as the sink does. */
class World {
  readonly #coll: string;
  readonly names: TargetNames;
  readonly state: StateTables;
  readonly tables: Tables;
  readonly #collections: Collections;
  readonly #json = new DocumentJson({ nul: 'strip' }, silentLogger);

  constructor(coll: string) {
    this.#coll = coll;
    const config = postgresSinkConfig.parse({ uri: fixture.uri, schema: fixture.schema, columns: { from: 'none' } });
    this.names = new TargetNames(config);
    this.state = new StateTables(fixture.stateSchema);
    this.tables = new Tables({
      state: this.state,
      names: this.names,
      columns: config,
      gates: new TableGates(),
      logger: silentLogger,
    });
    const { tables, names, state } = this;
    this.#collections = new Collections({ tables, names, state, learned: undefined, logger: silentLogger });
  }

  async rows(session: Session, events: readonly ChangeEvent[]) {
    const envelopes = events.map((one) => ({ event: one, namespace: one.namespace }));
    const { collections } = collapse(envelopes, { names: this.names, json: this.#json, missingDocument: 'reject' });
    const made = [];
    for (const collection of collections) made.push(await this.#collections.rowsOf(session, collection, signal));
    return made;
  }

  event(sequence: number, op: 'insert' | 'delete', id: unknown = 1): ChangeEvent {
    return event({ coll: this.#coll, sequence, id, op, document: { v: sequence } });
  }
}

/** All orders of so many steps of two writers. */
function* orders(a: number, b: number): Generator<readonly ('a' | 'b')[]> {
  if (a === 0 && b === 0) yield [];
  if (a > 0) for (const rest of orders(a - 1, b)) yield ['a', ...rest];
  if (b > 0) for (const rest of orders(a, b - 1)) yield ['b', ...rest];
}

/** Runs both to their ends in this order of steps; a writer that waits goes on when the other has committed. */
async function interleave(order: readonly ('a' | 'b')[], a: Stepper, b: Stepper): Promise<void> {
  const of = { a, b };
  const waiting = new Set<Stepper>();
  const stepOf = async (stepper: Stepper) => {
    if (stepper.isDone || waiting.has(stepper)) return;
    if ((await stepper.step()) === 'waits') waiting.add(stepper);
  };
  for (const name of order) await stepOf(of[name]);
  for (const first of [a, b, a]) {
    if (waiting.has(first)) {
      const other = first === a ? b : a;
      if (!other.isDone) continue;
      await first.arrival();
      waiting.delete(first);
    }
    while (!first.isDone && !waiting.has(first)) await stepOf(first);
  }
  await Promise.all([a.running, b.running]);
}

/** Statements of each, the commit included. */
const STATEMENTS = { insert: 3, delete: 3 } as const;

/** What there was before: nothing, a row, or a delete. */
const ALL = [undefined, 'insert', 'delete'] as const;

const CASES = [
  { title: 'an upsert and a newer delete', first: [2, 'insert'], second: [3, 'delete'], left: [], starts: ALL },
  { title: 'a delete and a newer upsert', first: [2, 'delete'], second: [3, 'insert'], left: [3], starts: ALL },
  { title: 'an upsert and a newer upsert', first: [2, 'insert'], second: [3, 'insert'], left: [3], starts: ALL },
  { title: 'a delete and a newer delete', first: [2, 'delete'], second: [3, 'delete'], left: [], starts: ['insert'] },
] as const;

for (const { title, first, second, left, starts } of CASES) {
  test(`${title}: the newer one holds in every order of their statements`, { timeout: 400_000 }, async () => {
    await using a = await Stepper.open();
    await using b = await Stepper.open();
    await using sink = await fixture.sink({ columns: { from: 'none' } });
    const coll = `race_${first[1]}_${second[1]}`;
    const world = new World(coll);
    await writeEvents(sink, [world.event(1, 'insert', 'other')]);
    let id = 0;
    for (const start of starts) {
      for (const order of orders(STATEMENTS[first[1]], STATEMENTS[second[1]])) {
        id += 1;
        if (start !== undefined) await writeEvents(sink, [world.event(1, start, id)]);
        await a.begin(world, [world.event(first[0], first[1], id)]);
        await b.begin(world, [world.event(second[0], second[1], id)]);
        await interleave(order, a, b);
        const rows = await fixture.rows(`select document from ${fixture.schema}.${coll} where _id = $1`, [`~${id}`]);
        const found = rows.map(({ document }) => (document as { readonly v: number }).v);
        assert.deepEqual(found, left, `${start ?? 'nothing'} before, ${order.join('')}`);
      }
    }
  });
}

test('a sweep leaves nothing old behind, wherever it begins between the statements of an upsert', async () => {
  await using a = await Stepper.open();
  await using other = await Stepper.open();
  await using sink = await fixture.sink({ columns: { from: 'none' } });
  const world = new World('race_sweep');
  await writeEvents(sink, [world.event(1, 'insert', 'first')]);
  const table = await world.tables.find(other.session, { db: 'shop', coll: 'race_sweep' }, signal);
  assert.ok(table);
  const parts = { state: world.state, tables: world.tables, checkpoints: undefined };
  const context = { checkpoint: checkpointOf([]), reject: async () => {}, signal };
  for (let steps = 0; steps <= STATEMENTS.insert; steps++) {
    const since = world.event(10 + steps * 10, 'insert').version;
    const fresh = `new ${steps}`;
    await a.begin(world, [world.event(9 + steps * 10, 'insert', 'a'), world.event(11 + steps * 10, 'insert', fresh)]);
    for (let step = 0; step < steps; step++) await a.step();
    let isSwept = false;
    const sweeping = sweep(new TableWork(other.session, parts, context), table, since).finally(() => {
      isSwept = true;
    });
    await waitFor(async () => isSwept || (await isWaiting(other.pid)), {
      timeoutMs: 60_000,
      message: 'it sweeps or waits',
    });
    while (!a.isDone) await a.step();
    await Promise.all([a.running, sweeping]);
    assert.deepEqual(await fixture.ids('race_sweep'), [fresh], `after ${steps} statements`);
  }
});
