/** What answers at the nodes. */
export interface SearchProduct {
  /** `unknown` where the login may not ask, and where something in between answers in its place. */
  readonly name: 'opensearch' | 'elasticsearch' | 'unknown';
  /** As the product says it, e.g. `2.19.1`; empty when it does not. */
  readonly version: string;
  /** 0 when the version is not known. */
  readonly major: number;
  readonly minor: number;
  /** True where there are no shards, nodes and cluster settings to ask about. */
  readonly serverless: boolean;
}

/** What is known without an answer. */
export const UNKNOWN_PRODUCT: SearchProduct = { name: 'unknown', version: '', major: 0, minor: 0, serverless: false };

/** OpenSearch Serverless does not answer `GET /`. */
export const OPENSEARCH_SERVERLESS: SearchProduct = { ...UNKNOWN_PRODUCT, name: 'opensearch', serverless: true };

/**
 * Reads the answer to `GET /`; undefined when it is not that of a search server. OpenSearch may call itself 7.10.2 for old
 * clients (`compatibility.override_main_response_version`), but never drops its distribution and tagline.
 */
export function productOf(answer: unknown): SearchProduct | undefined {
  const { version, tagline } = record(answer);
  const { number, distribution, build_flavor: flavor } = record(version);
  if (typeof number !== 'string' || !/^\d/.test(number)) return undefined;
  const opensearch = distribution === 'opensearch' || (typeof tagline === 'string' && tagline.includes('OpenSearch'));
  const [major = 0, minor = 0] = number.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return {
    name: opensearch ? 'opensearch' : 'elasticsearch',
    version: number.replaceAll(/[^\w.+-]/g, '').slice(0, 40),
    major,
    minor,
    serverless: flavor === 'serverless',
  };
}

/** For messages: `OpenSearch 2.19.1`. */
export function shownProduct({ name, version, serverless }: SearchProduct): string {
  const shown = { opensearch: 'OpenSearch', elasticsearch: 'Elasticsearch', unknown: 'a search server' }[name];
  return [shown, serverless ? 'Serverless' : version].filter((part) => part !== '').join(' ');
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
