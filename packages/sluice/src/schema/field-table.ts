import { ANY_NAME, childPath, ELEMENTS, type FieldPath, parentPath, pathOf, segmentsOf } from '../core/field-path.ts';
import { type TypeSet, typeBitOf, typeNames } from './bson-types.ts';
import type { FieldSchema, TypeSchema } from './collection-schema.ts';

/** A number that grows, and how much of it the store already has. */
export interface Tally {
  total: number;
  stored: number;
  lastMs: number;
}

interface TypeEntry extends Tally {
  sinceMs: number;
  pending: boolean;
}

interface FieldEntry extends Tally {
  readonly types: Map<TypeSet, TypeEntry>;
}

/** Room that the collections of a pipeline share. */
export interface FieldRoom {
  fields: number;
}

/** Most fields of one collection, and of all collections of a pipeline. */
const MOST_FIELDS = 2_000;
const MOST_FIELDS_OF_ALL = 50_000;
/** In characters; what is known of a collection has to fit into one document. */
const LONGEST_PATH = 1_000;

/** What is noted about a type of a field. */
export interface Sighting {
  readonly path: FieldPath;
  readonly type: TypeSet;
  /** Whole documents. */
  readonly seen: number;
  readonly sinceMs: number;
  readonly lastMs: number;
  readonly pending: boolean;
}

/** The fields of one collection with their counts; bounded. */
export class FieldTable {
  readonly #fields = new Map<FieldPath, FieldEntry>();
  readonly #children = new Map<FieldPath, number>();
  readonly #maps = new Set<FieldPath>();
  readonly #room: FieldRoom;
  readonly #collapseAbove: number;
  #limited = false;
  #revision = 0;
  /** True when fields were added since the last look at how many there are. */
  #grown = false;

  constructor(room: FieldRoom, collapseAbove: number) {
    this.#room = room;
    this.#collapseAbove = collapseAbove;
  }

  get maps(): ReadonlySet<FieldPath> {
    return this.#maps;
  }

  /** Grows with every new field and type, and when fields become those of a map or are accepted. */
  get revision(): number {
    return this.#revision;
  }

  /** True when there was no room for a field. */
  get limited(): boolean {
    return this.#limited;
  }

  /** Says that there are more fields than these. */
  limit(): void {
    this.#limited = true;
  }

  /** The types that are known and accepted. */
  acceptedTypes(path: FieldPath): TypeSet {
    return this.#types(path, (entry) => !entry.pending);
  }

  /** The types that were seen, those that nobody accepted included. */
  seenTypes(path: FieldPath): TypeSet {
    return this.#types(path, () => true);
  }

  /** The counts of the field and of those of its types; fewer when there was no room for it. */
  tallies(path: FieldPath, types: TypeSet): readonly Tally[] {
    const field = this.#fields.get(path);
    if (field === undefined) return [];
    const tallies: Tally[] = [field];
    for (const [type, entry] of field.types) if ((types & type) !== 0) tallies.push(entry);
    return tallies;
  }

  /** Notes a field, with counts that the store does not have. False when there is no room. */
  note({ path, type, seen, sinceMs, lastMs, pending }: Sighting): boolean {
    const field = this.#fields.get(path) ?? this.#add(path);
    if (field === undefined) return false;
    const known = field.types.get(type);
    if (known === undefined || (known.pending && !pending)) this.#revision += 1;
    if (known === undefined) field.types.set(type, { total: seen, stored: 0, sinceMs, lastMs, pending });
    else {
      known.total += seen;
      known.sinceMs = Math.min(known.sinceMs, sinceMs);
      known.lastMs = Math.max(known.lastMs, lastMs);
      known.pending &&= pending;
    }
    return true;
  }

  /** Adds whole documents that have the field. */
  count(path: FieldPath, seen: number): void {
    const field = this.#fields.get(path);
    if (field !== undefined) field.total += seen;
  }

  /** The path as it is called here: with `*` for the names of maps. */
  normal(path: FieldPath): FieldPath {
    if (this.#maps.size === 0) return path;
    return segmentsOf(path).reduce(
      (parent, segment) => childPath(parent, this.#maps.has(parent) && segment !== ELEMENTS ? ANY_NAME : segment),
      '',
    );
  }

  /** Makes one of all names below these paths. */
  addMaps(paths: Iterable<FieldPath>): void {
    for (const path of paths) if (!this.#maps.has(path)) this.#collapse(path);
  }

  /** Makes one of the names below the paths that have too many; true when there were any. */
  collapse(): boolean {
    if (!this.#grown) return false;
    this.#grown = false;
    let found = false;
    // One at a time: what is below a map has other paths afterwards.
    for (let path = this.#crowded(); path !== undefined; path = this.#crowded()) {
      this.#collapse(path);
      found = true;
    }
    return found;
  }

  /** Accepts every type; true when some were not yet. */
  accept(): boolean {
    const pending = [...this.#fields.values()].flatMap(({ types }) =>
      [...types.values()].filter((type) => type.pending),
    );
    for (const entry of pending) entry.pending = false;
    this.#revision += pending.length;
    return pending.length > 0;
  }

  /** All fields with the counts that the function takes, in the order of their paths. */
  list(countOf: (tally: Tally) => number): readonly FieldSchema[] {
    const fields = [...this.#fields].map(([path, entry]) => ({
      path,
      seen: countOf(entry),
      types: typesOf(entry, countOf),
    }));
    return fields.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** From now on the store has every count. */
  markStored(): void {
    for (const field of this.#fields.values()) {
      field.stored = field.total;
      for (const type of field.types.values()) type.stored = type.total;
    }
  }

  /** The store did not get these counts after all. */
  giveBack(fields: readonly FieldSchema[]): void {
    for (const { path, seen, types } of fields) {
      const field = this.#fields.get(this.normal(path));
      if (field === undefined) continue;
      field.stored -= seen;
      for (const { type, seen: ofType } of types) {
        const entry = field.types.get(typeBitOf(type));
        if (entry !== undefined) entry.stored -= ofType;
      }
    }
  }

  /** Gives its room back. */
  clear(): void {
    this.#room.fields -= this.#fields.size;
    this.#fields.clear();
    this.#children.clear();
    this.#maps.clear();
  }

  #crowded(): FieldPath | undefined {
    for (const [path, names] of this.#children) if (path !== '' && names > this.#collapseAbove) return path;
    return undefined;
  }

  #types(path: FieldPath, isMeant: (entry: TypeEntry) => boolean): TypeSet {
    let set = 0;
    for (const [type, entry] of this.#fields.get(path)?.types ?? []) if (isMeant(entry)) set |= type;
    return set;
  }

  #add(path: FieldPath): FieldEntry | undefined {
    const isFull = this.#fields.size >= MOST_FIELDS || this.#room.fields >= MOST_FIELDS_OF_ALL;
    if (isFull || path.length > LONGEST_PATH) {
      this.#limited = true;
      return undefined;
    }
    const field: FieldEntry = { total: 0, stored: 0, lastMs: 0, types: new Map() };
    this.#fields.set(path, field);
    this.#room.fields += 1;
    this.#grown = true;
    const parent = parentPath(path);
    this.#children.set(parent, (this.#children.get(parent) ?? 0) + 1);
    return field;
  }

  #remove(path: FieldPath): void {
    if (!this.#fields.delete(path)) return;
    this.#room.fields -= 1;
    const parent = parentPath(path);
    const left = (this.#children.get(parent) ?? 1) - 1;
    if (left > 0) this.#children.set(parent, left);
    else this.#children.delete(parent);
  }

  /** What is below the names of the map becomes one; the counts are at most those of the map itself. */
  #collapse(map: FieldPath): void {
    this.#revision += 1;
    const depth = segmentsOf(map).length;
    const start = `${map}.`;
    const renamed = (path: FieldPath) => pathOf(segmentsOf(path).with(depth, ANY_NAME));
    const inner = new Set([...this.#maps].filter((path) => path.startsWith(start)));
    for (const path of inner) this.#maps.delete(path);
    this.#maps.add(map);
    const moved = [...this.#fields].filter(([path]) => path.startsWith(start));
    for (const [path] of moved) this.#remove(path);
    const most = this.#fields.get(map)?.total ?? Number.POSITIVE_INFINITY;
    for (const [path, entry] of moved) {
      const field = this.#fields.get(renamed(path)) ?? this.#add(renamed(path));
      if (field !== undefined) merge(entry, field, most);
    }
    for (const path of new Set([...inner].map(renamed))) this.#collapse(path);
  }
}

function merge(from: FieldEntry, to: FieldEntry, most: number): void {
  move(from, to, most);
  for (const [type, entry] of from.types) {
    const known = to.types.get(type);
    if (known === undefined) {
      to.types.set(type, entry);
      continue;
    }
    move(entry, known, most);
    known.sinceMs = Math.min(known.sinceMs, entry.sinceMs);
    known.pending &&= entry.pending;
  }
}

function move(from: Tally, to: Tally, most: number): void {
  const unsaved = from.total - from.stored + to.total - to.stored;
  to.total = Math.min(most, from.total + to.total);
  to.stored = Math.max(0, to.total - unsaved);
  to.lastMs = Math.max(to.lastMs, from.lastMs);
}

function typesOf({ types }: FieldEntry, countOf: (tally: Tally) => number): readonly TypeSchema[] {
  const known = [...types].map(([bit, entry]) => {
    const { sinceMs, lastMs, pending } = entry;
    return { type: typeNames(bit)[0] ?? '', seen: countOf(entry), sinceMs, lastMs, pending };
  });
  return known.toSorted((a, b) => typeBitOf(a.type) - typeBitOf(b.type));
}
