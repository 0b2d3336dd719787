import { Secret } from '../../settings/secret.ts';
import { closeClient, openClient, runCommand } from './client.ts';

/** Among the last so many documents the newest token is looked for: instances may save theirs out of order. */
const LOOKED_AT = 1000;

/**
 * The newest resume token in a collection of documents `{_id: ObjectId, value: <the token's _data>}`; undefined when
 * it has none. Errors are classified.
 */
export async function readNewestToken(
  uri: string,
  { database, collection }: { readonly database: string; readonly collection: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  const client = await openClient({ uri: new Secret(uri) }, { purpose: 'state', signal });
  try {
    const doing = `read the resume tokens in ${database}.${collection}`;
    const command = { find: collection, sort: { _id: -1 }, limit: LOOKED_AT, batchSize: LOOKED_AT };
    const reply = await runCommand({ client, phase: 'state', doing, signal }, database, command);
    const { firstBatch } = reply['cursor'] as { readonly firstBatch: readonly { readonly value?: unknown }[] };
    // Tokens sort in the order of the stream.
    return firstBatch.flatMap(({ value }) => (typeof value === 'string' ? [value] : [])).reduce(later, undefined);
  } finally {
    await closeClient(client);
  }
}

function later(a: string | undefined, b: string): string {
  return a === undefined || b > a ? b : a;
}
