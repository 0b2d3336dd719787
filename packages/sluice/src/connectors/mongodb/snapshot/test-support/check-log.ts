import { findField } from '../../../../bson/elements.ts';
import { encodeValue } from '../../../../bson/value-text.ts';
import type { ChangeEvent, Version } from '../../../../core/change-event.ts';
import { type ClusterTime, compareClusterTime, formatClusterTime } from '../../../../core/cluster-time.ts';
import { timeBefore } from '../anchor.ts';
import { KEY_COUNT, type KeyIndex, keyIndexOf } from './model-keys.ts';
import { ModelEvent, type ModelServer, OUTSIDE } from './model-server.ts';

/** Behind every token. */
const END = 'G';

/** What a run was to copy. */
export interface Plan {
  /** Token that the stream began behind. */
  readonly startToken: string;
  /** Collections whose changes are held back until their documents are copied. */
  readonly held: ReadonlySet<string>;
  /** What is copied while all its changes pass; undefined for nothing. */
  readonly passed: PassedCopy | undefined;
}

/** A copy that was begun when so many events had been given, behind a token. */
export interface PassedCopy {
  readonly collections: readonly string[];
  readonly length: number;
  readonly token: string;
}

/** What is required of a collection from a place in the log on. */
interface Copying {
  /** `born`: it has no rows, and every change is given. */
  readonly mode: 'hold' | 'pass' | 'born';
  /** Changes up to this token belong to what was before. */
  readonly since: string;
  readonly keys: Map<KeyIndex, Given>;
}

/** What has been given of a document. */
interface Given {
  /** How many of its changes were given or are included in its row; undefined while nothing was given. */
  count: number | undefined;
  row: ClusterTime | undefined;
  version: Version | undefined;
}

/** A promise to the sink that was broken. */
export class Violation extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Violation';
  }
}

/**
 * Reads what a sink was given from its beginning and compares it with the server's past: per document the history only
 * moves forward, its row stands where it belongs, and from there on no change is missing.
 */
export class LogReader {
  readonly #server: ModelServer;
  readonly #plan: Plan;
  readonly #collections = new Map<string, Copying>();
  #lastCollectionChange: string;

  constructor(server: ModelServer, plan: Plan) {
    this.#server = server;
    this.#plan = plan;
    this.#lastCollectionChange = plan.startToken;
    for (const coll of plan.held) this.#begin(coll, 'hold', plan.startToken);
  }

  /** Collections that have been, or are to be, copied. */
  get copied(): string[] {
    return [...this.#collections].filter(([, { mode }]) => mode !== 'born').map(([coll]) => coll);
  }

  read(events: readonly ChangeEvent[]): void {
    const { passed } = this.#plan;
    for (const [index, event] of events.entries()) {
      if (passed?.length === index) this.#beginPassed(passed);
      if (event.op === 'snapshot') this.#row(event);
      else if (event.op === 'snapshotEnd') continue;
      else if (!(event instanceof ModelEvent)) throw new Violation(`nobody made the ${event.op} at ${at(event)}`);
      else if (event.write.key === undefined) this.#collectionChange(event);
      else this.#change(event, event.write.key);
    }
    if (passed?.length === events.length) this.#beginPassed(passed);
  }

  /** Everything was given: nothing may be missing. */
  finish(): void {
    const missed = this.#nextCollectionChange();
    if (missed !== undefined) throw new Violation(`the ${missed.op} at ${at(missed)} is missing`);
    const names = new Set([...this.#collections.keys(), ...this.#server.changes.map(({ write }) => write.coll)]);
    for (const coll of names) this.#checkComplete(coll, END);
  }

  /** Of everything that was given or had to be, nothing up to a token is missing. */
  #checkComplete(coll: string, until: string): void {
    for (let key = 0; key < KEY_COUNT; key++) {
      const changes = this.#server.changesOf(coll, key);
      if (changes.length === 0) continue;
      const { count } = this.#given(coll, key).given;
      const missing = count === undefined ? 0 : changes.filter(({ id }) => id <= until).length - count;
      if (missing > 0) throw new Violation(`${coll}/${key}: ${missing} changes up to ${until} are missing`);
    }
  }

  /** From here on each document may come as a row once more. */
  #beginPassed({ collections, token }: PassedCopy): void {
    for (const coll of collections) {
      const givens = Array.from({ length: KEY_COUNT }, (_, key) => this.#given(coll, key).given);
      const copying = this.#begin(coll, 'pass', this.#collections.get(coll)?.since ?? this.#plan.startToken);
      for (const [key, given] of givens.entries()) {
        const upTo = this.#server.changesOf(coll, key).filter(({ id }) => id <= token).length;
        copying.keys.set(key, { ...given, count: given.count ?? upTo, row: undefined });
      }
    }
  }

  #begin(coll: string, mode: Copying['mode'], since: string): Copying {
    const copying: Copying = { mode, since, keys: new Map() };
    this.#collections.set(coll, copying);
    return copying;
  }

  #given(coll: string, key: KeyIndex): { readonly copying: Copying; readonly given: Given } {
    const copying = this.#collections.get(coll) ?? this.#begin(coll, 'born', this.#plan.startToken);
    let given = copying.keys.get(key);
    if (given === undefined) {
      const changes = this.#server.changesOf(coll, key);
      const before = changes.filter(({ id }) => id <= copying.since).length;
      given = { count: copying.mode === 'hold' ? undefined : before, row: undefined, version: undefined };
      copying.keys.set(key, given);
    }
    return { copying, given };
  }

  #row(row: ChangeEvent): void {
    const { coll } = row.namespace;
    const time = row.version.clusterTime;
    const id = findField(row.after() ?? new Uint8Array(), '_id');
    if (id === undefined) throw new Violation('a row has no _id');
    const key = keyIndexOf(id);
    const where = `${coll}/${key}: the row at ${formatClusterTime(time)}`;
    const { copying, given } = this.#given(coll, key);
    if (copying.mode === 'born') throw new Violation(`${where} is of a collection that is not copied`);
    if (given.row !== undefined) throw new Violation(`${where} was given before, at ${formatClusterTime(given.row)}`);
    const document = this.#server.documentAt(coll, key, time);
    if (document === undefined || !document.equals(row.after() ?? new Uint8Array())) {
      throw new Violation(`${where} is not the document ${encodeValue(id)} as it was then`);
    }
    const included = this.#server.changesOf(coll, key).filter((change) => isUpTo(change, time)).length;
    if (copying.mode === 'hold' && given.count !== undefined) throw new Violation(`${where} comes behind its changes`);
    if (given.count !== undefined && given.count !== included) {
      throw new Violation(`${where} includes ${included} changes, and ${given.count} were given`);
    }
    given.row = time;
    given.count = included;
    moveOn(given, row.version, where, copying.mode === 'pass');
  }

  #change(event: ModelEvent, key: KeyIndex): void {
    const { coll } = event.write;
    const where = `${coll}/${key}: the ${event.op} at ${at(event)}`;
    const { copying, given } = this.#given(coll, key);
    const index = this.#server.changesOf(coll, key).indexOf(event);
    if (event.id <= copying.since) throw new Violation(`${where} is older than its collection`);
    if (given.count === undefined) this.#checkFirst(event, key, where);
    else if (index < given.count) throw new Violation(`${where} was given or included before`);
    else if (index > given.count)
      throw new Violation(`${where} comes, and ${index - given.count} before it are missing`);
    given.count = index + 1;
    moveOn(given, event.version, where, false);
  }

  /** A change may only be the first of its document when there was none that a row could have been made of. */
  #checkFirst(event: ModelEvent, key: KeyIndex, where: string): void {
    const { coll } = event.write;
    const time = event.version.clusterTime;
    if (this.#server.documentAt(coll, key, timeBefore(time)) !== undefined) {
      throw new Violation(`${where} comes before the row of its document`);
    }
    const first = this.#server.changesOf(coll, key).find((change) => compareTimes(change, event) === 0);
    if (first !== event) throw new Violation(`${where} comes without what its transaction did before`);
  }

  #collectionChange(event: ModelEvent): void {
    if (this.#nextCollectionChange() !== event) throw new Violation(`the ${event.op} at ${at(event)} is out of order`);
    this.#lastCollectionChange = event.id;
    const { coll, to } = event.write;
    this.#checkComplete(coll, event.id);
    this.#begin(coll, 'born', event.id);
    if (to !== undefined) this.#checkComplete(to, event.id);
    if (to !== undefined) this.#begin(to, to === OUTSIDE ? 'born' : 'hold', event.id);
  }

  #nextCollectionChange(): ModelEvent | undefined {
    return this.#server.changes.find(({ id, write }) => write.key === undefined && id > this.#lastCollectionChange);
  }
}

/** The version of what a sink is given of a document grows; it may stand still for a row that was copied before. */
function moveOn(given: Given, version: Version, where: string, mayRepeat: boolean): void {
  const { version: last } = given;
  if (last !== undefined) {
    const order = compareClusterTime(last.clusterTime, version.clusterTime) || last.ordinal - version.ordinal;
    if (order > 0 || (order === 0 && !mayRepeat))
      throw new Violation(`${where} is no newer than what was given before it`);
  }
  given.version = version;
}

function isUpTo(event: ModelEvent, time: ClusterTime): boolean {
  return compareClusterTime(event.version.clusterTime, time) <= 0;
}

function compareTimes(a: ModelEvent, b: ModelEvent): number {
  return compareClusterTime(a.version.clusterTime, b.version.clusterTime);
}

function at(event: ChangeEvent): string {
  return `${formatClusterTime(event.position.clusterTime)}/${event.version.ordinal}`;
}
