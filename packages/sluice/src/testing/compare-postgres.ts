import { Client, type ClientConfig } from 'pg';
import { columnDifference, columnQuery, valueAt } from './compare-columns.ts';
import { compareWithSource, type PlainDifferences, type SourceDocument } from './compare-common.ts';
import type { ComparedCollection } from './compare-documents.ts';
import { type FoundJson, jsonDifference, parseExactJson } from './compare-json.ts';
import { type Conversion, expectedObject } from './expected-json.ts';

/** A table of PostgreSQL. */
export interface ComparedTable {
  /** A connection string, or what `pg` takes. */
  readonly connection: string | ClientConfig;
  /** Default: public. */
  readonly schema?: string;
  readonly table: string;
}

/** How the target was written. */
export interface ComparePostgresOptions {
  /** Default: numbers for decimals, texts for what is not finite, and NUL characters stripped. */
  readonly conversion?: Partial<Conversion>;
  /** Top-level fields that `document` ought not to have. Default: none. */
  readonly omit?: readonly string[];
  /** Promoted columns: name to path, with dots. */
  readonly columns?: Readonly<Record<string, string>>;
  /** Names of the columns for the id and for the document. Default: `_id` and `document`. */
  readonly names?: { readonly id: string; readonly document: string };
  /** An SQL condition that holds for rows that are documents, when there are others, e.g. `not deleted`. */
  readonly where?: string;
}

const CONVERSION: Conversion = { nonFinite: 'text', decimals: 'number', nul: 'strip' };
const PAGE = 1000;
const UNDEFINED_TABLE = '42P01';

interface Row {
  readonly document: FoundJson;
  readonly columns: readonly (string | null)[];
}

/**
 * Compares a table with a collection document by document: the text of the id, the document as JSON (numbers by value
 * with all their digits, fields in any order) and, when asked for, promoted columns by value. A column may be NULL where the
 * value is not of a type that it is for. A missing table counts as an empty one.
 */
export async function comparePostgres(
  source: ComparedCollection,
  target: ComparedTable,
  options: ComparePostgresOptions = {},
): Promise<PlainDifferences> {
  const conversion = { ...CONVERSION, ...options.conversion };
  const columns = Object.entries(options.columns ?? {});
  const { rows, types } = await readTable(target, options);
  return compareWithSource(source, rows, (document: SourceDocument, row) => {
    const inDocument = jsonDifference(expectedObject(document, conversion, options.omit), row.document);
    if (inDocument !== undefined) return inDocument;
    const differences = columns.map(([name, path], index) => {
      const column = { name, type: types[index] ?? 0, text: row.columns[index] ?? null };
      return columnDifference(valueAt(document, path), column, conversion);
    });
    return differences.find((difference) => difference !== undefined);
  });
}

async function readTable({ connection, schema = 'public', table }: ComparedTable, options: ComparePostgresOptions) {
  const client = new Client(typeof connection === 'string' ? { connectionString: connection } : connection);
  await client.connect();
  const rows = { found: new Map<string, Row>(), twice: [] as string[] };
  let types: readonly number[] = [];
  try {
    const from = `from ${quoted(schema)}.${quoted(table)} where ${options.where ?? 'true'}`;
    const names = Object.keys(options.columns ?? {});
    await client.query('begin read only');
    types = await typesOf(client, names.map(quoted), from);
    const { id, document } = options.names ?? { id: '_id', document: 'document' };
    const columns = names.map((name, index) => columnQuery(quoted(name), types[index] ?? 0));
    const fields = [`${quoted(id)}::text`, `${quoted(document)}::text`, ...columns];
    await client.query(`declare compared cursor for select ${fields.join(', ')} ${from}`);
    for (;;) {
      const page = await client.query<(string | null)[]>({ text: `fetch ${PAGE} from compared`, rowMode: 'array' });
      if (page.rows.length === 0) break;
      for (const row of page.rows) addRow(rows, row);
    }
  } catch (error) {
    if ((error as { code?: unknown }).code !== UNDEFINED_TABLE) throw error;
  } finally {
    await client.end();
  }
  return { rows, types };
}

function addRow(rows: { found: Map<string, Row>; twice: string[] }, row: readonly (string | null)[]): void {
  const [id, document, ...columns] = row;
  const key = id ?? 'NULL';
  if (rows.found.has(key)) rows.twice.push(key);
  rows.found.set(key, { document: parseExactJson(document ?? 'null'), columns });
}

/** Object ids of the types of columns, as in `pg_type`. */
async function typesOf(client: Client, columns: readonly string[], from: string): Promise<number[]> {
  const { fields } = await client.query({ text: `select ${columns.join(', ')} ${from} limit 0`, rowMode: 'array' });
  return fields.map(({ dataTypeID }) => dataTypeID);
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
