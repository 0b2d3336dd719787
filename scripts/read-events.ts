import { type Document, Long, type MongoClient, type Timestamp } from 'mongodb';
import { parseCursorReply } from '../packages/sluice/src/bson/reply.ts';

/** Which change events to read. */
export interface EventQuery {
  readonly database: string;
  readonly collection: string;
  readonly start: Timestamp;
  /** Options of `$changeStream`. */
  readonly options: Document;
  /** True for the event to end with. */
  readonly isLast: (event: Buffer) => boolean;
}

/** The change events of a collection as the server sends them, up to the last one. */
export async function readEvents(client: MongoClient, query: EventQuery): Promise<readonly Buffer[]> {
  const { collection, isLast, options, start } = query;
  const stage = { ...options, startAtOperationTime: start };
  const database = client.db(query.database);
  const events: Buffer[] = [];
  await client.withSession(async (session) => {
    const ask = async (command: Document) => {
      const reply = await database.command(command, { session, raw: true });
      const cursor = parseCursorReply(reply['cursor'] as Uint8Array);
      events.push(...cursor.events.map((event) => Buffer.from(event)));
      return cursor.id;
    };
    const id = await ask({ aggregate: collection, pipeline: [{ $changeStream: stage }], cursor: {} });
    while (!events.some(isLast)) await ask({ getMore: new Long(id), collection, maxTimeMS: 500 });
  });
  return events;
}
