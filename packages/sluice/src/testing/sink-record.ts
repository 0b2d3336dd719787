import { BSON } from 'bson';
import type { SinkRecord } from './key-history.ts';

interface RawEvent {
  readonly operationType: string;
  readonly ns: { readonly db: string; readonly coll?: string };
  readonly documentKey?: object;
  readonly fullDocument?: Counted;
  readonly updateDescription?: { readonly updatedFields: Counted };
}

interface Counted {
  readonly n?: unknown;
  readonly k?: unknown;
}

/** What a change event (as BSON) says of a document of a workload. */
export function sinkRecordOf(event: Uint8Array): SinkRecord {
  const raw = BSON.deserialize(event, { promoteValues: false, bsonRegExp: true }) as RawEvent;
  const { operationType: op, ns, documentKey, fullDocument, updateDescription } = raw;
  const { n, k } = fullDocument ?? updateDescription?.updatedFields ?? {};
  return {
    namespace: ns.coll === undefined ? ns.db : `${ns.db}.${ns.coll}`,
    key: documentKey && BSON.EJSON.stringify(documentKey, { relaxed: false }),
    op,
    n: n === undefined ? undefined : Number(n),
    k: k === undefined ? undefined : Number(k),
  };
}

/** The documents that stand one after another in a file; one that was cut off at the end is left out. */
export function bsonDocuments(file: Buffer): Buffer[] {
  const documents: Buffer[] = [];
  for (let at = 0; at + 4 <= file.length; ) {
    const end = at + file.readInt32LE(at);
    if (end > file.length) break;
    documents.push(file.subarray(at, end));
    at = end;
  }
  return documents;
}
