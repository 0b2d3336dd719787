import { Secret } from '../../settings/secret.ts';
import { closeClient, openClient, runCommand } from './client.ts';

/**
 * The newest resume token (`_data`) in a collection of documents `{_id: {_data: …}}`; undefined when it has none.
 * Errors are classified.
 */
export async function readNewestToken(
  uri: string,
  { database, collection }: { readonly database: string; readonly collection: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  const client = await openClient({ uri: new Secret(uri) }, { purpose: 'state', signal });
  try {
    const doing = `read the resume tokens in ${database}.${collection}`;
    // Tokens sort in the order of the stream.
    const command = { find: collection, sort: { _id: -1 }, limit: 1 };
    const reply = await runCommand({ client, phase: 'state', doing, signal }, database, command);
    const [newest] = (reply['cursor'] as { readonly firstBatch: readonly { readonly _id?: unknown }[] }).firstBatch;
    const data = (newest?._id as { readonly _data?: unknown } | undefined)?._data;
    return typeof data === 'string' ? data : undefined;
  } finally {
    await closeClient(client);
  }
}
