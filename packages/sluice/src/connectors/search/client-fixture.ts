import type { EndpointAnswer, HttpEndpoint } from '../../testing/servers/http-endpoint.ts';
import { openSearchClient, type SearchClient, type SearchRequest } from './client.ts';
import { type SearchSinkConfig, searchSinkConfig } from './config.ts';

/*
 * What the tests of the connection share: clients of test endpoints, and answers as a cluster gives them.
 */

const NEVER = new AbortController().signal;

/** Settings with their defaults. */
export function settingsOf(nodes: readonly string[], more: Record<string, unknown> = {}): SearchSinkConfig {
  return searchSinkConfig.parse({ nodes, ...more });
}

/** Opens a client; everything that `more` leaves out has its default. */
export function openClient(
  nodes: readonly (string | Pick<HttpEndpoint, 'origin'>)[],
  more: Record<string, unknown> = {},
  signal = NEVER,
): Promise<SearchClient> {
  const urls = nodes.map((node) => (typeof node === 'string' ? node : node.origin));
  return openSearchClient(settingsOf(urls, more), signal);
}

/** A request that looks at an index; everything that `change` leaves out is usual. */
export function aRequest(change: Partial<SearchRequest> = {}): SearchRequest {
  return { method: 'GET', path: '/orders', doing: 'read orders', signal: NEVER, ...change };
}

/** An answer with JSON. */
export function jsonAnswer(value: unknown, status = 200, headers: Record<string, string> = {}): EndpointAnswer {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=UTF-8', ...headers },
    body: JSON.stringify(value),
  };
}

/** An error as both products write them. */
export function errorAnswer(status: number, type: string, reason = ''): EndpointAnswer {
  return jsonAnswer({ error: { root_cause: [{ type, reason }], type, reason }, status }, status);
}

/** What `GET /` of OpenSearch says. */
export const OPENSEARCH_ROOT = { version: { distribution: 'opensearch', number: '2.19.1' } };

/** An endpoint that answers like a cluster: itself at `/`, and `{}` everywhere else. */
export function answersAsCluster(endpoint: HttpEndpoint, root: EndpointAnswer = jsonAnswer(OPENSEARCH_ROOT)): void {
  endpoint.answering = ({ path }) => (path === '/' ? root : jsonAnswer({}));
}
