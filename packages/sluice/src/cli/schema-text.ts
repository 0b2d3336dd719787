import { printable } from '../bson/readable-text.ts';
import type { FieldSchema, SchemaChange } from '../schema/collection-schema.ts';
import type { CollectionView, SchemaView } from '../schema/schema-memory.ts';
import { humanCount, humanTime, shorten } from './human.ts';
import { renderTable } from './table.ts';

const FIELD_WIDTH = 60;
const EVENT_WIDTH = 24;
const CHANGES_SHOWN = 10;

/** What a pipeline has learned, for people. */
export function schemaText(view: SchemaView, nowMs: number): string {
  const { pipeline, onChange, store, collections, changes } = view;
  const place = store === undefined ? 'kept in memory only' : `kept in ${store}`;
  const head = `${pipeline}: on a change ${onChange}; ${place}\n`;
  if (collections.length === 0) return `${head}nothing was seen yet\n`;
  const parts = [head, collectionsTable(view, nowMs), fieldsTable(collections), ...notes(collections)];
  return [...parts, changesTable(changes)].filter((part) => part !== '').join('\n');
}

function collectionsTable({ collections, learnDocuments }: SchemaView, nowMs: number): string {
  const rows = collections.map(({ collection, documents, fields, sinceMs, lastMs, learning }) => [
    printable(collection),
    humanCount(documents),
    humanCount(fields.length),
    humanTime(Math.min(sinceMs, nowMs)),
    humanTime(Math.min(lastMs, nowMs)),
    learning ? `learning, ${learnDocuments - documents} documents to go` : 'learned',
  ]);
  return renderTable(
    [
      { title: 'COLLECTION' },
      { title: 'DOCUMENTS', align: 'right' },
      { title: 'FIELDS', align: 'right' },
      { title: 'SINCE' },
      { title: 'LAST' },
      { title: 'STATE' },
    ],
    rows,
  );
}

function fieldsTable(collections: readonly CollectionView[]): string {
  const rows = collections.flatMap(({ collection, documents, fields }) =>
    fields.map((field) => [
      printable(collection),
      shorten(printable(field.path), FIELD_WIDTH),
      typesText(field),
      percent(field.seen, documents),
      humanTime(Math.min(...field.types.map(({ sinceMs }) => sinceMs))),
    ]),
  );
  return renderTable(
    [
      { title: 'COLLECTION' },
      { title: 'FIELD' },
      { title: 'TYPES' },
      { title: 'SEEN', align: 'right' },
      { title: 'SINCE' },
    ],
    rows,
  );
}

function typesText({ types }: FieldSchema): string {
  return types.map(({ type, pending }) => (pending ? `${type} (refused)` : type)).join(', ');
}

/** Never rounded to all or nothing. */
function percent(seen: number, documents: number): string {
  if (documents === 0) return '-';
  if (seen >= documents) return '100 %';
  if (seen === 0) return '0 %';
  const share = (100 * seen) / documents;
  return `${Math.min(99.9, Math.max(0.1, share)).toFixed(1)} %`;
}

function notes(collections: readonly CollectionView[]): readonly string[] {
  const notes = collections.flatMap(({ collection, maps, limited }) => [
    ...maps.map((path) => `${collection}: ${path} has too many different names; they are shown as one, *\n`),
    ...(limited ? [`${collection}: there are too many fields; not all of them are learned and watched\n`] : []),
  ]);
  return notes.length === 0 ? [] : [printableLines(notes)];
}

function printableLines(lines: readonly string[]): string {
  return lines.map((line) => `${printable(line.trimEnd())}\n`).join('');
}

function changesTable(changes: readonly SchemaChange[]): string {
  if (changes.length === 0) return '';
  const rows = changes
    .slice(0, CHANGES_SHOWN)
    .map((change) => [
      humanTime(change.atMs),
      change.kind,
      printable(change.collection),
      shorten(printable(change.path), FIELD_WIDTH),
      change.known.length === 0 ? change.types.join(', ') : `${change.known.join(', ')} → ${change.types.join(', ')}`,
      shorten(change.event, EVENT_WIDTH),
    ]);
  const titles = ['CHANGED', 'KIND', 'COLLECTION', 'FIELD', 'TYPES', 'EVENT'];
  return renderTable(
    titles.map((title) => ({ title })),
    rows,
  );
}
