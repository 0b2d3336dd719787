import { BSON, type Document, MongoClient, ReadConcern } from 'mongodb';
import type { ComparedCollection, Differences } from './compare-documents.ts';
import { expectedId } from './expected-id.ts';

/** How a target that is no MongoDB differs from its source; ids as the target has them. */
export interface PlainDifferences extends Differences {
  /** For some of `different` and `extra`: the id, and where they differ. For people. */
  readonly details: readonly string[];
}

/** A document of the source, as the `bson` library reads it with `promoteValues: false`. */
export type SourceDocument = Document;

const MOST_DETAILS = 20;

/** Reads the source, document by document, with its ids as the target ought to have them. */
export async function* readSource({ uri, db, coll }: ComparedCollection): AsyncGenerator<[string, SourceDocument]> {
  const client = await MongoClient.connect(uri);
  try {
    const options = { readConcern: new ReadConcern('majority') };
    const cursor = client.db(db, options).collection(coll).find({}, { raw: true });
    for await (const raw of cursor as AsyncIterable<unknown>) {
      const document = BSON.deserialize(raw as Uint8Array, {
        promoteValues: false,
        promoteLongs: false,
        promoteBuffers: false,
        bsonRegExp: true,
      });
      yield [expectedId(document['_id']), document];
    }
  } finally {
    await client.close();
  }
}

/**
 * Compares the source with what was found in the target. `differ` tells where two documents differ. An id that the target
 * had more than once is in `twice`.
 */
export async function compareWithSource<T>(
  source: ComparedCollection,
  { found, twice }: { readonly found: ReadonlyMap<string, T>; readonly twice: readonly string[] },
  differ: (document: SourceDocument, found: T) => string | undefined,
): Promise<PlainDifferences> {
  const missing: string[] = [];
  const different: string[] = [];
  const details = twice.map((id) => `${id}: more than once`);
  const expected = new Set<string>();
  for await (const [id, document] of readSource(source)) {
    expected.add(id);
    const there = found.get(id);
    if (there === undefined) {
      missing.push(id);
      continue;
    }
    const difference = differ(document, there);
    if (difference === undefined) continue;
    different.push(id);
    details.push(`${id}: ${difference}`);
  }
  const extra = [...[...found.keys()].filter((id) => !expected.has(id)), ...twice];
  return { missing, extra, different, details: details.slice(0, MOST_DETAILS) };
}
