import type { MongoClient } from 'mongodb';
import type { MongodbSinkConfig } from './config.ts';
import { Privileges } from './privileges.ts';

/** The right to write what a validator would refuse; `dbAdmin` has it, `readWrite` has not. */
export const BYPASS = 'bypassDocumentValidation';

/** Whether the validators of a database are passed by. */
export type BypassesValidation = (database: string) => boolean;

/**
 * Whether validators are to be passed by, as the configuration says or means: where they are copied from the source they
 * can be newer than the documents, which the source has accepted.
 */
export function wantsBypass({ validation, ddl }: MongodbSinkConfig): boolean {
  if (validation !== undefined) return validation === 'bypass';
  return ddl.create === 'apply' && ddl.collMod === 'apply';
}

/** Validators are only passed by without being told to where the user has the right: writes would be refused as a whole. */
export async function bypassOf(
  config: MongodbSinkConfig,
  client: MongoClient,
  signal: AbortSignal,
): Promise<BypassesValidation> {
  const wanted = wantsBypass(config);
  if (!wanted || config.validation !== undefined) return () => wanted;
  const privileges = await Privileges.read(client, { phase: 'connect', signal });
  return (database) => privileges.allows([BYPASS], database);
}
