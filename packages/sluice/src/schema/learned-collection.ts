import { type FieldPath, parentPath } from '../core/field-path.ts';
import { ARRAY, OBJECT, singleTypes, type TypeSet, typeBitOf } from './bson-types.ts';
import { CHANGES_KEPT, type CollectionSchema, type SchemaChange } from './collection-schema.ts';
import { type FieldRoom, FieldTable, type Tally } from './field-table.ts';
import type { Outline, OutlineContext } from './outline.ts';
import { type KnownShape, type ShapeRoom, Shapes } from './shapes.ts';

/** What the collections of a pipeline share. */
export interface LearningRoom extends FieldRoom, ShapeRoom {}

/** Something in a document that is not known and accepted. */
export interface Novelty {
  readonly path: FieldPath;
  /** The types that are new. */
  readonly types: TypeSet;
  readonly known: TypeSet;
  /** True when it was seen before and nobody has accepted it. */
  readonly pending: boolean;
}

/** How a document is learned. */
export interface Lesson {
  readonly atMs: number;
  /** True when it is a whole document, which counts. */
  readonly whole: boolean;
  /** True when what is new in it waits to be accepted. */
  readonly pending: boolean;
}

/** What is known about one collection. Learns outlines; gives and takes schemas to share them with a store. */
export class LearnedCollection implements OutlineContext {
  readonly name: string;
  /** Whole documents that were looked at. */
  documents = 0;
  /** True until somebody has noted that the collection is there. */
  isNew = true;
  readonly shapes: Shapes;
  readonly #room: LearningRoom;
  readonly #collapseAbove: number;
  #fields: FieldTable;
  #storedDocuments = 0;
  #sinceMs = Number.POSITIVE_INFINITY;
  #lastMs = 0;
  #changes: readonly SchemaChange[] = [];
  /** What the fields counted that are replaced by now. */
  #revisionBefore = 0;

  constructor(name: string, room: LearningRoom, collapseAbove: number) {
    this.name = name;
    this.shapes = new Shapes(room);
    this.#room = room;
    this.#collapseAbove = collapseAbove;
    this.#fields = new FieldTable(room, collapseAbove);
  }

  /** Grows with everything new that is known of the fields. */
  get revision(): number {
    return this.#revisionBefore + this.#fields.revision;
  }

  get limited(): boolean {
    return this.#fields.limited;
  }

  /** True when the store does not have all documents counted. */
  get hasUnstoredCounts(): boolean {
    return this.documents > this.#storedDocuments;
  }

  isMap(path: FieldPath): boolean {
    return this.#fields.maps.has(path);
  }

  typesOf(path: FieldPath): TypeSet {
    return this.#fields.seenTypes(path);
  }

  /** What is not known yet; of a new field only itself, not what is in it. */
  novelties(outline: Outline): readonly Novelty[] {
    const novelties: Novelty[] = [];
    const explained = new Set<FieldPath>();
    for (const [path, types] of outline) {
      const known = this.#fields.acceptedTypes(path);
      const fresh = types & ~known;
      if (fresh === 0) continue;
      const isInside = explained.has(parentPath(path));
      if (known === 0 || (fresh & (OBJECT | ARRAY)) !== 0) explained.add(path);
      if (isInside) continue;
      const pending = (fresh & ~this.#fields.seenTypes(path)) === 0;
      novelties.push({ path, types: fresh, known, pending });
    }
    return novelties;
  }

  /** Learns all of it. Returns what counts further documents of the same shape; undefined when that is not known here. */
  learn(outline: Outline, { atMs, whole, pending }: Lesson): readonly Tally[] | undefined {
    this.#saw(atMs);
    const seen = whole ? 1 : 0;
    for (const [path, types] of outline) {
      for (const type of singleTypes(types)) {
        this.#fields.note({ path, type, seen, sinceMs: atMs, lastMs: atMs, pending });
      }
      this.#fields.count(path, seen);
    }
    if (this.#fields.collapse()) {
      this.forgetShapes();
      return undefined;
    }
    return [...outline].flatMap(([path, types]) => this.#fields.tallies(path, types));
  }

  /** Notes a change for people. */
  changed(change: SchemaChange): void {
    this.#changes = [change, ...this.#changes].slice(0, CHANGES_KEPT);
  }

  /** Accepts everything that waits for it; true when there was something. */
  accept(): boolean {
    const accepted = this.#fields.accept();
    if (accepted) this.forgetShapes();
    return accepted;
  }

  /** Brings the counts up to date and looks at every shape anew. */
  forgetShapes(): void {
    this.#flush();
    this.shapes.clear();
  }

  /** Everything that is known. */
  schema(): CollectionSchema {
    this.#flush();
    return this.#schema(this.documents, ({ total }) => total);
  }

  /** The same with the counts that the store does not have yet; from now on they count as stored. */
  takeUnstored(): CollectionSchema {
    this.#flush();
    const unstored = this.#unstored();
    this.#storedDocuments = this.documents;
    this.#fields.markStored();
    return unstored;
  }

  /** The store did not get what `takeUnstored` returned. */
  giveBack(unstored: CollectionSchema): void {
    this.#storedDocuments -= unstored.documents;
    this.#fields.giveBack(unstored.fields);
  }

  /** Takes the place of what is known with what the store has; what it does not have yet stays. */
  adopt(stored: CollectionSchema): void {
    this.forgetShapes();
    const rest = this.#unstored();
    this.#revisionBefore = this.revision + 1;
    this.#fields.clear();
    this.#fields = new FieldTable(this.#room, this.#collapseAbove);
    this.#changes = [];
    this.documents = 0;
    this.add(stored);
    this.#storedDocuments = this.documents;
    this.#fields.markStored();
    this.add(rest);
  }

  /** Adds what somebody else has learned, as something that the store does not have. What one has accepted is accepted. */
  add(other: CollectionSchema): void {
    this.forgetShapes();
    this.isNew = false;
    this.documents += other.documents;
    // Nothing was seen yet by one that has no time.
    if (other.lastMs > 0) {
      this.#saw(other.sinceMs);
      this.#saw(other.lastMs);
    }
    this.#fields.addMaps(other.maps);
    for (const { path: theirs, seen, types } of other.fields) {
      const path = this.#fields.normal(theirs);
      for (const { type, ...rest } of types) this.#fields.note({ path, type: typeBitOf(type), ...rest });
      this.#fields.count(path, seen);
    }
    this.#fields.collapse();
    if (other.limited) this.#fields.limit();
    this.#changes = mergedChanges(this.#changes, other.changes);
  }

  #unstored(): CollectionSchema {
    return this.#schema(this.documents - this.#storedDocuments, ({ total, stored }) => total - stored);
  }

  #schema(documents: number, countOf: (tally: Tally) => number): CollectionSchema {
    return {
      collection: this.name,
      documents,
      sinceMs: Number.isFinite(this.#sinceMs) ? this.#sinceMs : this.#lastMs,
      lastMs: this.#lastMs,
      maps: [...this.#fields.maps].toSorted(),
      limited: this.limited,
      fields: this.#fields.list(countOf),
      changes: this.#changes,
    };
  }

  #flush(): void {
    for (const shape of this.shapes.values()) this.#flushShape(shape);
  }

  #flushShape(shape: KnownShape): void {
    const { count, lastMs, whole, tallies } = shape;
    if (count === 0) return;
    shape.count = 0;
    this.#saw(lastMs);
    for (const tally of tallies) {
      if (whole) tally.total += count;
      tally.lastMs = Math.max(tally.lastMs, lastMs);
    }
  }

  #saw(atMs: number): void {
    this.#sinceMs = Math.min(this.#sinceMs, atMs);
    this.#lastMs = Math.max(this.#lastMs, atMs);
  }
}

/** Both, each change once: two processes may see it at the same time, and the earlier one counts. */
function mergedChanges(ours: readonly SchemaChange[], theirs: readonly SchemaChange[]): readonly SchemaChange[] {
  const merged = new Map<string, SchemaChange>();
  for (const change of [...ours, ...theirs].toSorted((a, b) => b.atMs - a.atMs)) {
    merged.set(JSON.stringify([change.kind, change.path, change.types]), change);
  }
  return [...merged.values()].toSorted((a, b) => b.atMs - a.atMs).slice(0, CHANGES_KEPT);
}
