import type { MongoClient, ReadPreferenceMode } from 'mongodb';
import { type ClientUse, closeClient, openMemberClient, runCommand } from './client.ts';

/** A client for one stream, with what to do when the stream ends. */
export interface StreamClient extends AsyncDisposable {
  readonly client: MongoClient;
}

/** What decides which server a stream is read from. */
export interface MemberChoice {
  readonly client: MongoClient;
  readonly readPreference: ReadPreferenceMode;
  readonly sharded: boolean;
}

/**
 * The client to read a stream with. All commands of a cursor must reach the server that holds it, and the driver
 * chooses a server for each command: where it could choose differently (several routers, or secondaries), the stream
 * gets a client of its own that knows one server only.
 */
export async function streamClient(choice: MemberChoice, signal: AbortSignal): Promise<StreamClient> {
  const address = await chooseAddress(choice, signal);
  if (address === undefined) return { client: choice.client, async [Symbol.asyncDispose]() {} };
  const use: ClientUse = { purpose: 'stream', signal };
  const client = await openMemberClient(choice.client, address, use);
  return { client, [Symbol.asyncDispose]: () => closeClient(client) };
}

/** Undefined when every command reaches the same server anyway. */
async function chooseAddress(choice: MemberChoice, signal: AbortSignal): Promise<string | undefined> {
  const { client, readPreference, sharded } = choice;
  if (client.options.directConnection) return undefined;
  if (sharded) {
    const { hosts } = client.options;
    return hosts.length === 1 ? undefined : hosts[Math.floor(Math.random() * hosts.length)]?.toString();
  }
  if (readPreference === 'primary') return undefined;
  const context = { client, phase: 'connect', doing: 'choose a member to read from', signal } as const;
  const hello = await runCommand(context, 'admin', { hello: 1 }, readPreference);
  return typeof hello['me'] === 'string' ? hello['me'] : undefined;
}
