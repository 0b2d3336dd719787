import { isIP } from 'node:net';
import type { ConnectorContext, Finding } from '../../core/connector.ts';
import { asSluiceError, isAbort } from '../../core/failure.ts';
import { checkHealth, checkPipeline, checkRequestSize } from './check-cluster.ts';
import { checkIndexes } from './check-indexes.ts';
import type { CheckParts } from './check-request.ts';
import { checkRights } from './check-rights.ts';
import { openSearchClient } from './client.ts';
import type { SearchSinkConfig } from './config.ts';
import { type SearchProduct, shownProduct } from './product.ts';

const CHECK_LIMIT_MS = 20_000;
const REQUEST_LIMIT_MS = 10_000;

/** What is looked at, by the name of the finding when it cannot be. */
const STEPS: readonly (readonly [string, (parts: CheckParts) => Promise<readonly Finding[]>])[] = [
  ['search.health', checkHealth],
  ['search.privileges', checkRights],
  ['search.indexes', checkIndexes],
  ['search.pipeline', checkPipeline],
  ['search.request-size', checkRequestSize],
];

/** Looks at the cluster, the rights of the login and the indexes. Writes nothing and makes nothing. */
export async function checkSearchSink(
  config: SearchSinkConfig,
  context: ConnectorContext,
): Promise<readonly Finding[]> {
  const limit = AbortSignal.timeout(CHECK_LIMIT_MS);
  const signal = AbortSignal.any([context.signal, limit]);
  const quick = { ...config, requestTimeout: Math.min(config.requestTimeout, REQUEST_LIMIT_MS) };
  const findings: Finding[] = [...checkTransport(config)];
  let check = 'search.reachable';
  try {
    await using client = await openSearchClient(quick, signal);
    findings.push(answering(client.product), ...checkDynamic(config, client.product));
    for (const [name, step] of STEPS) {
      check = name;
      findings.push(...(await step({ config, client, signal })));
    }
    return findings;
  } catch (error) {
    if (isAbort(error, context.signal)) throw error;
    if (limit.aborted) {
      const message = `no result within ${CHECK_LIMIT_MS / 1000} s`;
      return [...findings, { check, level: 'error', message, fix: 'Check that the nodes answer.' }];
    }
    const { message, hint } = asSluiceError(error);
    return [...findings, { check, level: 'error', message, fix: hint }];
  }
}

function answering(product: SearchProduct): Finding {
  const check = 'search.reachable';
  if (product.name !== 'unknown') {
    return { check, level: 'ok', message: `${shownProduct(product)} answers and takes the login` };
  }
  return {
    check,
    level: 'warning',
    message: 'the nodes answer, but do not say what they are',
    fix: 'Check `nodes`, and grant `cluster:monitor/main` (`monitor`) to the login.',
  };
}

function checkDynamic({ mapping }: SearchSinkConfig, { name }: SearchProduct): readonly Finding[] {
  if (mapping.dynamic !== 'runtime' || name !== 'opensearch') return [];
  const message = 'OpenSearch has no runtime fields in mappings';
  return [{ check: 'search.mapping', level: 'error', message, fix: 'Set `mapping.dynamic` to true, false or strict.' }];
}

function checkTransport({ nodes, auth, tls }: SearchSinkConfig): readonly Finding[] {
  const check = 'search.tls';
  const open = nodes
    .map((text) => new URL(text))
    .filter((url) => url.protocol === 'http:' && !isLoopback(url.hostname));
  const [first] = open;
  if (first !== undefined && auth !== undefined) {
    return [
      {
        check,
        level: 'warning',
        message: `the login and all documents go to ${first.host} over http:// and can be read on the way`,
        fix: 'Use https:// and `tls.ca`.',
      },
    ];
  }
  if (tls?.insecure !== true) return [];
  return [
    {
      check,
      level: 'warning',
      message: 'any certificate is accepted, so anybody in between can read and change everything',
      fix: 'Set `tls.ca` (and `tls.serverName`) in place of `tls.insecure`.',
    },
  ];
}

function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
