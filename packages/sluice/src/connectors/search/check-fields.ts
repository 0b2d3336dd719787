import type { Finding } from '../../core/connector.ts';
import { ask, type CheckParts } from './check-request.ts';
import { type CountedMapping, crowdedObjects, fieldUsage } from './mapping/field-usage.ts';

/** More indexes than this are not looked into: their mappings can be large. */
const MOST_INDEXES = 20;
/** From this share of the limit on it is said. */
const CLOSE = 0.8;
/** `index.mapping.total_fields.limit` where nothing is set. */
const USUAL_LIMIT = 1000;
const MOST_CROWDED = 2;

/** An index and its limit of fields, as its settings have it. */
export interface LimitedIndex {
  readonly name: string;
  readonly limit: unknown;
}

/** How close indexes are to the number of fields they can have: beyond it, documents with new fields are refused. */
export async function checkFields(parts: CheckParts, indexes: readonly LimitedIndex[]): Promise<readonly Finding[]> {
  const check = 'search.fields';
  const findings: Finding[] = [];
  let most = 0;
  for (const { name, limit: set } of indexes.slice(0, MOST_INDEXES)) {
    const mapping = await mappingOf(parts, name);
    if (mapping === undefined) continue;
    const limit = Number(set ?? USUAL_LIMIT);
    const used = fieldUsage(mapping);
    most = Math.max(most, used / limit);
    if (used >= limit * CLOSE) findings.push(crowded(name, { mapping, used, limit }));
  }
  if (findings.length > 0 || indexes.length === 0) return findings;
  return [{ check, level: 'ok', message: `no index uses more than ${Math.ceil(most * 100)} % of its fields` }];
}

interface Usage {
  readonly mapping: CountedMapping;
  readonly used: number;
  readonly limit: number;
}

function crowded(index: string, { mapping, used, limit }: Usage): Finding {
  const where = crowdedObjects(mapping, MOST_CROWDED)
    .map(({ path, names }) => `${path === '' ? 'the document' : `"${path}"`} (${names})`)
    .join(' and ');
  return {
    check: 'search.fields',
    level: 'warning',
    message: `the index "${index}" uses ${used} of ${limit} fields, most of them in ${where}`,
    fix: `Map an object with ever new names as one field (\`mapping.properties\`: flat_object in OpenSearch, flattened in Elasticsearch, or {"type":"object","enabled":false}), or raise \`index.mapping.total_fields.limit\` of the index.`,
  };
}

async function mappingOf(parts: CheckParts, index: string): Promise<CountedMapping | undefined> {
  const asked = await ask<Readonly<Record<string, { readonly mappings?: CountedMapping }>>>(parts, {
    method: 'GET',
    path: `/${encodeURIComponent(index)}/_mapping`,
    doing: `look at the mapping of the index "${index}"`,
  });
  return asked.is === 'answer' ? Object.values(asked.value)[0]?.mappings : undefined;
}
