import { SluiceError } from '../../core/failure.ts';
import type { SearchClient, SearchRequest } from './client.ts';
import type { SearchSinkConfig } from './config.ts';

/** What every part of the check looks with. */
export interface CheckParts {
  readonly config: SearchSinkConfig;
  readonly client: SearchClient;
  readonly signal: AbortSignal;
}

/** What an answer is, when it is one that is of use. */
export type Asked<T> =
  | { readonly is: 'answer'; readonly value: T }
  /** There is nothing of this name. */
  | { readonly is: 'missing' }
  /** The login may not do it; the action where the server names it. */
  | { readonly is: 'forbidden'; readonly error: SluiceError }
  /** This product or version has no such request. */
  | { readonly is: 'unknown' };

/** Asks for something that the check can do without. Throws what says that the cluster does not work, and aborts. */
export async function ask<T extends object>(
  { client, signal }: Pick<CheckParts, 'client' | 'signal'>,
  request: Omit<SearchRequest, 'signal'>,
): Promise<Asked<T>> {
  try {
    const { status, value } = await client.json<T>({ ...request, signal });
    if (status >= 200 && status < 300) return { is: 'answer', value };
    return { is: status === 404 ? 'missing' : 'unknown' };
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    if (error.code === 'search.authorization') return { is: 'forbidden', error };
    if (error.code === 'search.refused') return { is: 'unknown' };
    throw error;
  }
}

/** All indexes that the template can give, as a pattern for a path; those that are hidden are left out. */
export function indexPattern({ index }: Pick<SearchSinkConfig, 'index'>): string {
  const pattern = index.replaceAll(/(\{db\}|\{coll\})+/g, '*');
  return pattern.split('*').map(encodeURIComponent).join('*');
}

/** Parameters of requests about indexes that need not be there. */
export const IF_THERE = 'ignore_unavailable=true&allow_no_indices=true&expand_wildcards=open';
