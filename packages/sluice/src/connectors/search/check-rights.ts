import type { Finding } from '../../core/connector.ts';
import { ask, type CheckParts, IF_THERE, indexPattern } from './check-request.ts';

const CHECK = 'search.privileges';

/** Privileges of Elasticsearch that the sink uses, on its indexes. */
const WRITING = ['read', 'write', 'view_index_metadata', 'maintenance', 'manage'];

/**
 * Asks what the login may do, with requests that change nothing. Elasticsearch tells all of it; OpenSearch only shows it when
 * something is done, so there only reading is tried.
 */
export async function checkRights(parts: CheckParts): Promise<readonly Finding[]> {
  const told = parts.client.product.name === 'opensearch' ? undefined : await askElasticsearch(parts);
  return told ?? (await tryReading(parts));
}

interface PrivilegesAnswer {
  readonly has_all_requested?: unknown;
  readonly index?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Undefined where it has no security, or none that can be asked. */
async function askElasticsearch(parts: CheckParts): Promise<readonly Finding[] | undefined> {
  const { config } = parts;
  const names = [decodeURIComponent(indexPattern(config))];
  const privileges = config.createIndexes ? [...WRITING, 'create_index'] : WRITING;
  const asked = await ask<PrivilegesAnswer>(parts, {
    method: 'POST',
    path: '/_security/user/_has_privileges',
    body: JSON.stringify({ index: [{ names, privileges }] }),
    doing: 'ask what the login may do',
  });
  if (asked.is !== 'answer' || asked.value.index === undefined) return undefined;
  const missing = Object.values(asked.value.index).flatMap((held) => privileges.filter((name) => held[name] === false));
  if (missing.length === 0)
    return [{ check: CHECK, level: 'ok', message: `the login may write to ${names.join(', ')}` }];
  const list = missing.join(', ');
  return [
    {
      check: CHECK,
      level: 'error',
      message: `the login lacks ${list} on ${names.join(', ')}`,
      fix: `Grant ${list} on the indexes that the sink writes.`,
    },
  ];
}

async function tryReading(parts: CheckParts): Promise<readonly Finding[]> {
  const doing = 'search the indexes of the sink';
  const path = `/${indexPattern(parts.config)}/_search?${IF_THERE}&filter_path=_shards.failed`;
  const body = JSON.stringify({ size: 0, query: { match_none: {} } });
  const asked = await ask(parts, { method: 'POST', path, body, doing });
  if (asked.is !== 'forbidden') return [];
  return [{ check: CHECK, level: 'error', message: asked.error.message, fix: asked.error.hint }];
}
