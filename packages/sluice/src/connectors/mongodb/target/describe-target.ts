import type { MongoClient } from 'mongodb';
import { runCommand } from '../client.ts';

/** What is known of the deployment that is written to. */
export interface TargetDeployment {
  /** Documents are found by their shard key. */
  readonly isSharded: boolean;
  readonly hasTransactions: boolean;
  readonly isWritable: boolean;
}

/** Asks the primary, or a router, what it is. Throws classified errors of the phase `connect`. */
export async function describeTarget(client: MongoClient, signal: AbortSignal): Promise<TargetDeployment> {
  const context = { client, phase: 'connect', doing: 'ask the target what it is', signal } as const;
  const hello = await runCommand(context, 'admin', { hello: 1 });
  const isSharded = hello['msg'] === 'isdbgrid';
  return {
    isSharded,
    hasTransactions: isSharded || typeof hello['setName'] === 'string',
    isWritable: hello['isWritablePrimary'] === true,
  };
}
