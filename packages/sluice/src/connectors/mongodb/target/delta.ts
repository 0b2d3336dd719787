import { asBuffer, BsonType, fieldsOf, findField } from '../../../bson/elements.ts';
import type { BsonValue } from '../../../core/change-event.ts';
import { SluiceError } from '../../../core/failure.ts';
import { documentField, int32Field, type RawField, rawDocument, trueField } from './raw-build.ts';
import { UpdateStatement } from './statements.ts';

const NUMERIC = /^\d+$/;
/**
 * An update in a batch does not say whether it has found its document. One that would insert it instead, and with
 * another `_id`, is refused by itself.
 */
const NO_INSERT = documentField('$setOnInsert', [{ name: '_id', type: BsonType.minKey, bytes: Buffer.alloc(0) }]);

/**
 * An `updateDescription` as update statements, to be applied one after the other. Empty when nothing changed. Throws
 * `rejected` when a name cannot be said as a path.
 *
 * A path says the same here as at the source as long as what it leads through is there, since the server only describes
 * a change inside of what existed. So the statements ask for that, and match nothing where a dot in a name was taken for
 * a step (servers before 6.1, and streams without `ddl`, do not tell the two apart). What matches nothing is refused with
 * the code of `isUnmatched`.
 */
export function deltaStatements(query: Uint8Array, id: BsonValue, update: Uint8Array): UpdateStatement[] {
  const parts = partsOf(update);
  const make = (fields: readonly RawField[], paths: readonly string[]) =>
    new UpdateStatement(withParents(query, id, paths), rawDocument([...fields, NO_INSERT]));
  const statements: UpdateStatement[] = [];
  for (const { path, size } of parts.truncated) {
    const slice = [{ name: '$each', type: BsonType.array, bytes: rawDocument([]) }, int32Field('$slice', size)];
    statements.push(make([documentField('$push', [documentField(path, slice)])], [path]));
  }
  for (const { removed, updated } of byParent(parts)) {
    const [first, ...others] = runsOf(updated);
    const set = first === undefined ? [] : [documentField('$set', first)];
    const unset = removed.length === 0 ? [] : [documentField('$unset', removed.map(trueField))];
    const [path] = [...removed, ...updated.map(({ name }) => name)];
    const paths = path === undefined ? [] : [path];
    statements.push(make([...unset, ...set], paths));
    for (const run of others) statements.push(make([documentField('$set', run)], paths));
  }
  return statements;
}

interface DeltaParts {
  readonly truncated: readonly { readonly path: string; readonly size: number }[];
  readonly removed: readonly string[];
  readonly updated: readonly RawField[];
}

function partsOf(update: Uint8Array): DeltaParts {
  const truncated = elementsOf(update, 'truncatedArrays', BsonType.array).map(({ bytes }) => ({
    path: textOf(findField(bytes, 'field')),
    size: asBuffer(findField(bytes, 'newSize')?.bytes ?? Buffer.alloc(4)).readInt32LE(0),
  }));
  const removed = elementsOf(update, 'removedFields', BsonType.array).map(textOf);
  const updated = elementsOf(update, 'updatedFields', BsonType.document);
  for (const { path } of truncated) refuseUnsayable(path);
  for (const path of removed) refuseUnsayable(path);
  for (const { name } of updated) refuseUnsayable(name);
  for (const { bytes } of elementsOf(update, 'disambiguatedPaths', BsonType.document)) refuseDots(bytes);
  return { truncated, removed, updated };
}

/**
 * What is changed in each embedded document, apart: when one of them is not there any more, in a replay, the rest of the
 * change still counts.
 */
function byParent({ removed, updated }: DeltaParts): readonly Pick<DeltaParts, 'removed' | 'updated'>[] {
  const groups = new Map<string, { readonly removed: string[]; readonly updated: RawField[] }>();
  const groupOf = (path: string) => {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('.')));
    const group = groups.get(parent) ?? { removed: [], updated: [] };
    groups.set(parent, group);
    return group;
  };
  for (const path of removed) groupOf(path).removed.push(path);
  for (const field of updated) groupOf(field.name).updated.push(field);
  return [...groups.values()];
}

function elementsOf(update: Uint8Array, name: string, type: number): readonly RawField[] {
  const found = findField(update, name);
  return found?.type === type ? [...fieldsOf(found.bytes)] : [];
}

function textOf(value: BsonValue | undefined): string {
  if (value?.type !== BsonType.string) throw unsayable('it is no text');
  const bytes = asBuffer(value.bytes);
  const text = bytes.toString('utf8', 4, bytes.length - 1);
  if (text.includes('\0')) throw unsayable('it contains a zero byte');
  return text;
}

/** A step that begins with `$` is an operator to the server, an empty one an error. */
function refuseUnsayable(path: string): void {
  for (const step of path.split('.')) {
    if (step === '') throw unsayable('it is empty, or begins or ends with a dot');
    if (step.startsWith('$')) throw unsayable('it begins with $');
    if (step.includes('\uFFFD')) throw unsayable('it may not be valid UTF-8');
  }
}

/** What the server has told apart: a step that contains a dot is part of no path. */
function refuseDots(steps: Uint8Array): void {
  for (const { type, bytes } of fieldsOf(steps)) {
    if (type === BsonType.string && bytes.subarray(4, -1).includes(0x2e)) throw unsayable('it contains a dot');
  }
}

function unsayable(why: string): SluiceError {
  return new SluiceError(`the update changes a field whose name cannot be part of a path: ${why}`, {
    kind: 'rejected',
    code: 'mongodb.delta-ambiguous',
    hint:
      'Let updates come with their document: changeStreamPreAndPostImages on the collection, or ' +
      'source.mongodb.fullDocument: updateLookup.',
  });
}

/**
 * Cuts the fields so that their names ascend in each part: the server adds new fields in the order of their names, the
 * description has them in the order in which they are in the document.
 */
function runsOf(fields: readonly RawField[]): RawField[][] {
  const runs: RawField[][] = [];
  let last: string | undefined;
  for (const field of fields) {
    const run = runs.at(-1);
    if (run !== undefined && last !== undefined && surelyAscends(last, field.name)) run.push(field);
    else runs.push([field]);
    last = field.name;
  }
  return runs;
}

/** True when the server too puts `a` before `b`; it compares step by step, and digits as numbers. */
function surelyAscends(a: string, b: string): boolean {
  const left = a.split('.');
  const right = b.split('.');
  const at = left.findIndex((step, index) => step !== right[index]);
  const [from, to] = [left[at], right[at]];
  if (from === undefined || to === undefined) return false;
  if (NUMERIC.test(from) && NUMERIC.test(to)) return Number(from) < Number(to);
  return Buffer.compare(Buffer.from(from), Buffer.from(to)) < 0;
}

/** The query, and that what the paths lead through is there. */
function withParents(query: Uint8Array, id: BsonValue, paths: readonly string[]): Uint8Array {
  const parents = new Set<string>();
  for (const path of paths) {
    const end = path.lastIndexOf('.');
    if (end > 0) parents.add(path.slice(0, end));
  }
  if (parents.size === 0) return query;
  const exists = [...parents].map((path) => documentField(path, [trueField('$exists')]));
  const keys = query.length === id.bytes.length + 10 ? [{ name: '_id', ...id }] : [...fieldsOf(query)];
  return rawDocument([...keys, ...exists]);
}
