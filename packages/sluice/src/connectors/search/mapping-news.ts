import type { Logger } from '../../core/logger.ts';
import type { MappingProblem } from './mapping/field-tree.ts';
import { type CountedMapping, crowdedObjects } from './mapping/field-usage.ts';
import type { MappingConflict } from './mapping/mapping-changes.ts';
import type { FieldRoom } from './mapping/mapping-plan.ts';

/** From this part of the limit on a warning comes. */
const WARN_FROM = 0.8;
const SHOWN_OBJECTS = 3;
const ADVICE =
  'map the object that has so many names as `flattened`, `flat_object` or `object` with `enabled: false` in `mapping.properties`, leave it out with a transform, or raise `mapping.fieldLimit`';

const PROBLEMS: Readonly<Record<MappingProblem['kind'], string>> = {
  mixed: 'documents have both objects and other values in this field: it is kept and cannot be searched',
  name: 'the product takes no field of this name: documents that have it may be refused; rename it with a transform',
  depth: 'this object is nested deeper than `index.mapping.depth.limit`: it is kept and cannot be searched',
};

/** Tells of what cannot be mapped, each thing once for each index. */
export class MappingNews {
  readonly #logger: Logger;
  readonly #told = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  problems(index: string, problems: readonly MappingProblem[]): void {
    for (const { kind, path } of problems) {
      if (this.#isNew(index, kind, path)) this.#logger.warn({ index, field: path }, PROBLEMS[kind]);
    }
  }

  conflicts(index: string, conflicts: readonly MappingConflict[]): void {
    for (const { path, has, wanted, effect } of conflicts) {
      if (!this.#isNew(index, 'conflict', path)) continue;
      const fields = { index, field: path, mapped: has, documents: wanted };
      if (effect === 'imprecise') {
        this.#logger.info(
          fields,
          'a field has values that its type in the index cannot show exactly; it stays as it is',
        );
      } else {
        this.#logger.warn(
          fields,
          'a field has values that do not fit its type in the index, which cannot be changed: documents with them may be refused. Delete the index and copy the collection again, or give the field another name with a transform',
        );
      }
    }
  }

  /** Tells when the limit of fields comes near, and when it is reached. `takesOthers`: what is not mapped is kept. */
  room(index: string, { used, limit, left, whole }: FieldRoom, takesOthers: boolean): void {
    if (left > 0) {
      if (!this.#isNew(index, 'full', '')) return;
      const outcome = takesOthers
        ? 'further fields are kept and cannot be searched'
        : 'documents with further fields will be refused';
      const fields = { index, missing: left, limit, most: shownObjects(whole) };
      this.#logger.error(fields, `there are more fields than the mapping can have: ${outcome}; ${ADVICE}`);
    } else if (used >= limit * WARN_FROM && this.#isNew(index, 'usage', '')) {
      const fields = { index, used, limit, most: shownObjects(whole) };
      this.#logger.warn(fields, `the mapping comes near its limit of fields: ${ADVICE}`);
    }
  }

  /** Tells something once for each index. */
  once(index: string, about: string, tell: (logger: Logger) => void): void {
    if (this.#isNew(index, 'once', about)) tell(this.#logger);
  }

  #isNew(index: string, kind: string, about: string): boolean {
    const key = JSON.stringify([index, kind, about]);
    if (this.#told.has(key)) return false;
    this.#told.add(key);
    return true;
  }
}

function shownObjects(mapping: CountedMapping): Readonly<Record<string, number>> {
  const crowded = crowdedObjects(mapping, SHOWN_OBJECTS);
  return Object.fromEntries(crowded.map(({ path, names }) => [path === '' ? '(the document)' : path, names]));
}
