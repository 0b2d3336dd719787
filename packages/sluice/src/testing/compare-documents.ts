import { createHash } from 'node:crypto';
import { BSON, MongoClient, ReadConcern } from 'mongodb';

/** A collection to compare. */
export interface ComparedCollection {
  readonly uri: string;
  readonly db: string;
  readonly coll: string;
}

/** How two collections differ; ids as canonical Extended JSON. */
export interface Differences {
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  /** Documents that are in both with other bytes: another value, type or order of fields. */
  readonly different: readonly string[];
}

/** Compares two collections document by document, by a hash over the BSON bytes as the servers hold them. */
export async function compareCollections(source: ComparedCollection, target: ComparedCollection): Promise<Differences> {
  const [expected, found] = await Promise.all([digests(source), digests(target)]);
  return {
    missing: [...expected.keys()].filter((id) => !found.has(id)),
    extra: [...found.keys()].filter((id) => !expected.has(id)),
    different: [...expected].filter(([id, hash]) => found.has(id) && found.get(id) !== hash).map(([id]) => id),
  };
}

/** True when nothing differs. */
export function areEqual({ missing, extra, different }: Differences): boolean {
  return missing.length + extra.length + different.length === 0;
}

async function digests({ uri, db, coll }: ComparedCollection): Promise<ReadonlyMap<string, string>> {
  const client = await MongoClient.connect(uri);
  try {
    const hashes = new Map<string, string>();
    const options = { readConcern: new ReadConcern('majority') };
    const cursor = client.db(db, options).collection(coll).find({}, { raw: true });
    for await (const raw of cursor as AsyncIterable<unknown>) {
      const bytes = raw as Uint8Array;
      const { _id } = BSON.deserialize(bytes, { promoteValues: false, promoteLongs: false });
      hashes.set(BSON.EJSON.stringify(_id, { relaxed: false }), createHash('sha256').update(bytes).digest('hex'));
    }
    return hashes;
  } finally {
    await client.close();
  }
}
