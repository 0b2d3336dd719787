import type { Namespace } from '../../core/change-event.ts';

/** `convertToCapped` copies the documents into a collection of such a name, without events for them, and renames it then. */
const CONVERSION = /^tmp\w+\.convertToCapped\.(.+)$/s;
/** `$out`, `mapReduce` and a rename between databases write into a collection of such a name, and rename it then. */
const TEMPORARY = /^tmp(\.agg_out\..+|\.mr\..+|\w+\.renameCollection)$/s;

/** The collection that is being converted to a capped one, when the name is that of its copy. */
export function convertedCollection({ db, coll }: Namespace): Namespace | undefined {
  const name = CONVERSION.exec(coll)?.[1];
  return name === undefined ? undefined : { db, coll: name };
}

/** True for a collection that the server itself makes, and that is gone with the rename that ends its work. */
export function isTemporary({ coll }: Namespace): boolean {
  return TEMPORARY.test(coll);
}
