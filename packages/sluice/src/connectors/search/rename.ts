import { SluiceError } from '../../core/failure.ts';
import type { VersionNumber } from '../../core/version-number.ts';
import type { SendScope } from './bulk-answer.ts';
import { pagesOf, type WholeDocument, wholeDocuments } from './document-pages.ts';
import { Progress, type SweepParts, sweep } from './sweep.ts';
import { gone, IS_TOMBSTONE } from './tombstones.ts';

/** From where to where documents move. */
export interface Move {
  readonly from: string;
  readonly to: string;
  /** The version of the rename. */
  readonly version: VersionNumber;
  /** The collection of the new name was replaced. */
  readonly dropTarget: boolean;
}

/** What became of the documents. */
export interface Moved {
  readonly moved: number;
  /** What the new index does not take; it is still in the old one. */
  readonly refused: readonly SluiceError[];
}

/**
 * Moves the documents that are older than the rename to the index of the new name. They get the version of the rename there, not
 * their own: it is the rename that puts them into this collection, and an id that was deleted there before it would
 * otherwise refuse them. May be stopped anywhere and repeated at any time, also late: what came after the rename is newer, in
 * both indexes, and what was moved is not in the old index any more.
 */
export async function moveDocuments(parts: SweepParts, move: Move, scope: SendScope): Promise<Moved> {
  const { from, to, version, dropTarget } = move;
  if (dropTarget) await sweep(parts, to, version.value, scope);
  const query = parts.mode === 'tombstone' ? { bool: { must_not: [IS_TOMBSTONE] } } : undefined;
  const progress = new Progress(parts.logger, from);
  const refused: SluiceError[] = [];
  let moved = 0;
  let hasMapping = false;
  for await (const hits of pagesOf(parts.client, { index: from, query }, scope)) {
    const older = hits.filter((hit) => hit.version < version.value);
    if (older.length > 0 && !hasMapping) {
      await copyMapping(parts, move, scope);
      hasMapping = true;
    }
    for await (const found of wholeDocuments(parts.client, from, older, scope)) {
      const documents = found.filter((document) => document.version < version.value);
      const errors = await movePart(parts, move, documents, scope);
      refused.push(...errors);
      moved += documents.length - errors.length;
    }
    progress.count(hits.length, moved);
  }
  return { moved, refused };
}

/** What the index of the old name has taken fits that of the new one, and its dates and keywords stay what they are. */
async function copyMapping({ client, logger }: SweepParts, { from, to }: Move, { signal }: SendScope): Promise<void> {
  const doing = `give the index "${to}" the fields of "${from}"`;
  const read = { method: 'GET', path: `/${encodeURIComponent(from)}/_mapping`, doing, signal } as const;
  const { value } = await client.json<Record<string, { readonly mappings?: { readonly properties?: object } }>>(read);
  const properties = Object.values(value)[0]?.mappings?.properties;
  if (properties === undefined) return;
  const path = `/${encodeURIComponent(to)}/_mapping`;
  const { status } = await client.request({ method: 'PUT', path, body: JSON.stringify({ properties }), doing, signal });
  if (status >= 300) logger.warn({ from, to, status }, 'the index of the new name keeps a mapping of its own');
}

/** Copies, then deletes: what is stopped in between is in both, and copied again. What was refused stays. */
async function movePart(
  { writer, mode }: SweepParts,
  { from, to, version }: Move,
  documents: readonly WholeDocument[],
  scope: SendScope,
): Promise<readonly SluiceError[]> {
  const copies = documents.map(({ id, routing, source }) => {
    if (source === undefined) throw noSource(from);
    return { index: to, id, routing, version, json: Buffer.from(source) };
  });
  const refusals = await writer.write(copies, scope);
  const stays = new Set(refusals.map(({ item }) => item.id));
  const leaving = documents.filter(({ id }) => !stays.has(id));
  const end = gone(mode);
  await writer.write(
    leaving.map(({ id, routing }) => ({ index: from, id, routing, version, ...end })),
    scope,
  );
  return refusals.map(({ error }) => error);
}

function noSource(index: string): SluiceError {
  return new SluiceError(`documents of the index "${index}" cannot be moved: it does not keep their source`, {
    kind: 'config',
    code: 'search.no-source',
    hint: 'Set `onRename: ignore`, and copy the collection under its new name with `sluice snapshot`.',
  });
}
