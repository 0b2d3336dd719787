import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import type { Logger } from '../../core/logger.ts';
import type { KeptReason, LayoutPlan } from './columns/layout.ts';
import { type NotMade, shownStep } from './layout-steps.ts';
import type { WantedTable } from './names.ts';
import type { Registered } from './table-registry.ts';
import type { TableNames } from './target-table.ts';

/** What somebody has asked for, or what is usual. */
const EXPECTED: ReadonlySet<KeptReason> = new Set(['excluded', 'unseen', 'container']);

/** Tells what becomes of tables: what happens once, and what stays as it is only once. */
export class TableReports {
  readonly #logger: Logger;
  readonly #told = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** The collection has got its table. */
  registered({ table, isThere }: Registered, wanted: WantedTable): void {
    if (isThere) this.#logger.info({ table: table.shown }, 'a table that is there already is taken over');
    else if (table.name !== wanted.table) {
      const fields = { wanted: `${wanted.schema}.${wanted.table}`, table: table.shown };
      this.#logger.warn(fields, 'the table has another name: the one that is wanted is taken or too long');
    }
  }

  /** Somebody has removed the table; nothing of what it held comes back by itself. */
  madeAgain({ shown }: TableNames): void {
    this.#logger.warn(
      { table: shown },
      'the table was removed and is made again: copy the collection to have its rows',
    );
  }

  /** Says once per field that it has no column, where nobody asked for that. */
  kept({ shown }: TableNames, { kept }: LayoutPlan): void {
    for (const { path, types, why } of kept) {
      const line = `${shown}\0${path}\0${why}`;
      if (EXPECTED.has(why) || this.#told.has(line)) continue;
      this.#told.add(line);
      const fields = { table: shown, field: path, types, why };
      if (why === 'type-change')
        this.#logger.warn(fields, 'values of other types stay in `document`: the column is NULL');
      else if (why === 'listed-type') this.#logger.warn(fields, 'the column has another type already and keeps it');
      else this.#logger.info(fields, 'the field stays in `document` only');
    }
  }

  /** The columns are other ones now; `isFollowed`: also because somebody else has changed them. */
  changed({ shown }: TableNames, changes: readonly string[], isFollowed: boolean): void {
    if (isFollowed) {
      this.#logger.warn({ table: shown }, 'somebody has changed columns of the table: what is there now is used');
    }
    if (changes.length > 0) {
      this.#logger.info({ table: shown, changes }, 'the columns of the table follow the documents');
    }
  }

  /** The server does not let the table be changed. */
  refused({ shown }: TableNames, { step, reason, hint }: NotMade): void {
    this.#logger.warn(
      { table: shown, change: shownStep(step), reason, hint },
      'the server refuses a change of the table: values stay in `document`, and it is tried again from time to time',
    );
  }

  /** Others use the table. */
  busy({ shown }: TableNames, { step, reason, hint }: NotMade, namespace: Namespace): void {
    this.#logger.warn(
      { table: shown, collection: formatNamespace(namespace), change: shownStep(step), reason, hint },
      'the table is in use: values of new columns stay in `document` until it can be changed',
    );
  }
}
