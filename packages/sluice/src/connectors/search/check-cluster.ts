import type { Finding } from '../../core/connector.ts';
import { formatBytes } from '../../settings/units.ts';
import { ask, type CheckParts } from './check-request.ts';

/** The largest document MongoDB stores. */
const LARGEST_DOCUMENT_BYTES = 16 * 1024 * 1024;

/** Red means that data cannot be read or written; yellow is usual where there is one node. */
export async function checkHealth(parts: CheckParts): Promise<readonly Finding[]> {
  const check = 'search.health';
  if (parts.client.product.serverless) return [];
  const doing = 'ask for the health of the cluster';
  const asked = await ask<{ readonly status?: unknown; readonly number_of_nodes?: unknown }>(parts, {
    method: 'GET',
    path: '/_cluster/health?filter_path=status,number_of_nodes',
    doing,
  });
  if (asked.is !== 'answer') return [notAllowed(check, 'the health of the cluster', 'cluster:monitor/health')];
  const { status, number_of_nodes: nodes } = asked.value;
  if (status === 'red') {
    return [
      {
        check,
        level: 'error',
        message: 'the cluster is red: some of its indexes cannot be read or written',
        fix: 'GET _cluster/allocation/explain says why.',
      },
    ];
  }
  return [
    {
      check,
      level: 'ok',
      message: `the cluster is ${String(status)} and has ${String(nodes)} ${nodes === 1 ? 'node' : 'nodes'}`,
    },
  ];
}

/** What the nodes take in one request, against what is sent. */
export async function checkRequestSize(parts: CheckParts): Promise<readonly Finding[]> {
  const check = 'search.request-size';
  if (parts.client.product.serverless) return [];
  const asked = await ask<{
    readonly nodes?: Readonly<Record<string, { readonly http?: { readonly max_content_length_in_bytes?: unknown } }>>;
  }>(parts, {
    method: 'GET',
    path: '/_nodes/http?filter_path=nodes.*.http.max_content_length_in_bytes',
    doing: 'ask what the nodes take',
  });
  if (asked.is !== 'answer') return [];
  const limits = Object.values(asked.value.nodes ?? {})
    .map(({ http }) => http?.max_content_length_in_bytes)
    .filter((limit) => typeof limit === 'number');
  const limit = Math.min(...limits);
  if (limits.length === 0 || limit > Math.max(LARGEST_DOCUMENT_BYTES, parts.config.batchBytes)) return [];
  const message =
    limit < LARGEST_DOCUMENT_BYTES
      ? `the nodes take requests up to ${formatBytes(limit)}, MongoDB documents go to ${formatBytes(LARGEST_DOCUMENT_BYTES)}: larger ones become dead letters`
      : `the nodes take requests up to ${formatBytes(limit)}: larger ones are sent in parts`;
  return [
    { check, level: 'warning', message, fix: 'Raise `http.max_content_length` of the nodes, or lower `batchBytes`.' },
  ];
}

/** The ingest pipeline must be there, or every document is refused. */
export async function checkPipeline(parts: CheckParts): Promise<readonly Finding[]> {
  const check = 'search.pipeline';
  const name = parts.config.pipeline;
  if (name === undefined) return [];
  const asked = await ask<Readonly<Record<string, unknown>>>(parts, {
    method: 'GET',
    path: `/_ingest/pipeline/${encodeURIComponent(name)}?filter_path=*.description,*.version,*.processors.*.if`,
    doing: `look at the ingest pipeline "${name}"`,
  });
  if (asked.is === 'answer') return [{ check, level: 'ok', message: `the ingest pipeline "${name}" exists` }];
  if (asked.is === 'missing') {
    const message = `the ingest pipeline "${name}" does not exist`;
    return [
      { check, level: 'error', message, fix: `Make it with PUT _ingest/pipeline/${name}, or change \`pipeline\`.` },
    ];
  }
  return [notAllowed(check, `the ingest pipeline "${name}"`, 'cluster:admin/ingest/pipeline/get')];
}

function notAllowed(check: string, what: string, action: string): Finding {
  const message = `${what} cannot be looked at with this login`;
  return { check, level: 'warning', message, fix: `Grant \`${action}\`, which is only for this check.` };
}
