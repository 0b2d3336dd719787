import type { Finding } from '../../core/connector.ts';
import { formatDuration } from '../../settings/units.ts';
import { checkFields } from './check-fields.ts';
import { ask, type CheckParts, IF_THERE, indexPattern } from './check-request.ts';
import { timeValueMs } from './time-value.ts';

/** `index.gc_deletes` where nothing is set. */
const USUAL_GC_DELETES = '60s';
/** More names than this are not listed in a message. */
const MOST_LISTED = 5;

interface IndexSettings {
  readonly uuid?: string;
  readonly gc_deletes?: unknown;
  readonly translog?: { readonly durability?: unknown };
  readonly blocks?: Readonly<Record<string, unknown>>;
  readonly mapping?: { readonly total_fields?: { readonly limit?: unknown } };
}

type AllSettings = Readonly<Record<string, { readonly settings?: { readonly index?: IndexSettings } }>>;
type AllMeta = Readonly<Record<string, { readonly mappings?: { readonly _meta?: { readonly sluice?: unknown } } }>>;

/** The indexes of the sink that exist: blocks, how long they remember deletes, their fields. Their names are legal by the template. */
export async function checkIndexes(parts: CheckParts): Promise<readonly Finding[]> {
  const check = 'search.indexes';
  const asked = await ask<AllSettings>(parts, {
    method: 'GET',
    path: `/${indexPattern(parts.config)}/_settings?${IF_THERE}&filter_path=*.settings.index.uuid,*.settings.index.gc_deletes,*.settings.index.translog.durability,*.settings.index.blocks,*.settings.index.mapping.total_fields.limit`,
    doing: 'look at the indexes of the sink',
  });
  if (asked.is === 'forbidden') {
    return [{ check, level: 'error', message: asked.error.message, fix: asked.error.hint }];
  }
  const found = Object.entries(asked.is === 'answer' ? asked.value : {});
  const ours = await ownIndexes(
    parts,
    found.map(([name]) => name),
  );
  const indexes = found
    .filter(([name]) => ours.has(name))
    .map(([name, { settings }]) => ({ name, ...settings?.index }));
  const limited = indexes.map(({ name, mapping }) => ({ name, limit: mapping?.total_fields?.limit }));
  return [
    // Those that somebody else has made bear no mark before documents come.
    existing(parts, parts.config.createIndexes ? indexes.length : found.length),
    ...checkBlocks(indexes),
    ...checkDurability(indexes),
    ...checkGcDeletes(parts, indexes),
    ...(await checkFields(parts, limited)),
    ...(await checkNames(parts, ours)),
  ];
}

type AllAliases = Readonly<
  Record<string, { readonly aliases?: Readonly<Record<string, { readonly is_write_index?: boolean }>> }>
>;

/** What is written to and is several indexes: a change of a document would not reach what is in the other ones. */
async function checkNames(parts: CheckParts, ours: ReadonlySet<string>): Promise<readonly Finding[]> {
  const { config } = parts;
  const asked = await ask<AllAliases>(parts, {
    method: 'GET',
    path: `/_alias/${indexPattern(config)}?filter_path=*.aliases`,
    doing: 'look at the aliases of the sink',
  });
  const isFixed = !config.index.includes('{');
  const aliases = new Map<string, { readonly indexes: string[]; written: boolean }>();
  for (const [index, { aliases: named = {} }] of Object.entries(asked.is === 'answer' ? asked.value : {})) {
    for (const [name, { is_write_index: written }] of Object.entries(named)) {
      const alias = aliases.get(name) ?? { indexes: [], written: isFixed };
      alias.indexes.push(index);
      alias.written ||= written === true;
      aliases.set(name, alias);
    }
  }
  // A pattern also means aliases that are for searching only; those have no write index.
  const several = [...aliases].filter(
    ([, { indexes, written }]) => written && indexes.length > 1 && indexes.some((index) => ours.has(index)),
  );
  const streams = isFixed && [...ours].some((index) => index.startsWith('.ds-')) ? [{ name: config.index }] : [];
  const names = [...streams, ...several.map(([name]) => ({ name }))];
  if (names.length === 0) return [];
  return [
    {
      check: 'search.not-an-index',
      level: 'error',
      message: `no single index, but an alias of several or a data stream: ${listed(names)}`,
      fix: 'Let `index` name an index, or an alias of one.',
    },
  ];
}

/**
 * Which of these the sink writes. A template that begins with a placeholder could mean any index of the cluster; of those only
 * the ones count that bear the mark of Sluice.
 */
async function ownIndexes(parts: CheckParts, names: readonly string[]): Promise<ReadonlySet<string>> {
  if (!parts.config.index.startsWith('{') || names.length === 0) return new Set(names);
  const asked = await ask<AllMeta>(parts, {
    method: 'GET',
    path: `/${indexPattern(parts.config)}/_mapping?${IF_THERE}&filter_path=*.mappings._meta.sluice`,
    doing: 'look at the mappings of the indexes',
  });
  const marked = asked.is === 'answer' ? Object.entries(asked.value) : [];
  return new Set(marked.filter(([, { mappings }]) => mappings?._meta?.sluice !== undefined).map(([name]) => name));
}

function existing({ config }: CheckParts, count: number): Finding {
  const check = 'search.indexes';
  const pattern = config.index;
  if (count > 0)
    return { check, level: 'ok', message: `${count} ${count === 1 ? 'index' : 'indexes'} of "${pattern}" found` };
  if (config.createIndexes) {
    return { check, level: 'ok', message: `no index of "${pattern}" exists yet; they are made when documents come` };
  }
  return {
    check,
    level: 'error',
    message: `no index of "${pattern}" exists, and none must be made`,
    fix: 'Make the indexes, or set `createIndexes: true`.',
  };
}

type NamedSettings = IndexSettings & { readonly name: string };

function checkBlocks(indexes: readonly NamedSettings[]): readonly Finding[] {
  const blocked = indexes.filter(({ blocks = {} }) =>
    ['read_only', 'read_only_allow_delete', 'write', 'metadata'].some((block) => String(blocks[block]) === 'true'),
  );
  if (blocked.length === 0) return [];
  return [
    {
      check: 'search.blocks',
      level: 'error',
      message: `blocked against writes: ${listed(blocked)}`,
      fix: 'Free disk space if it is full, then set `index.blocks.write`, `index.blocks.read_only` and `index.blocks.read_only_allow_delete` to null.',
    },
  ];
}

function checkDurability(indexes: readonly NamedSettings[]): readonly Finding[] {
  const async = indexes.filter(({ translog }) => translog?.durability === 'async');
  if (async.length === 0) return [];
  return [
    {
      check: 'search.durability',
      level: 'warning',
      message: `acknowledged writes of the last seconds are lost when a node fails (\`index.translog.durability: async\`): ${listed(async)}`,
      fix: 'PUT <index>/_settings {"index.translog.durability":"request"}.',
    },
  ];
}

function checkGcDeletes({ config, client }: CheckParts, indexes: readonly NamedSettings[]): readonly Finding[] {
  const check = 'search.gc-deletes';
  const { mode, gcDeletes } = config.deletes;
  if (mode === 'tombstone' || indexes.length === 0 || client.product.serverless) return [];
  const short = indexes.filter(({ gc_deletes: set = USUAL_GC_DELETES }) => (timeValueMs(set) ?? 0) < gcDeletes);
  const wanted = formatDuration(gcDeletes);
  if (short.length === 0) return [{ check, level: 'ok', message: `deletes are remembered for ${wanted} or longer` }];
  return [
    {
      check,
      level: 'warning',
      message: `deletes are not remembered for ${wanted} (\`deletes.gcDeletes\`) by ${listed(short)}; what is replayed later brings documents back`,
      fix: `The sink raises it with its first write, if its login may (\`manage\`). By hand: PUT <index>/_settings {"index.gc_deletes":"${gcDeletes / 1000}s"}. Or set \`deletes.mode: tombstone\`.`,
    },
  ];
}

function listed(indexes: readonly { readonly name: string }[]): string {
  const names = indexes.slice(0, MOST_LISTED).map(({ name }) => `"${name}"`);
  const more = indexes.length - names.length;
  return more === 0 ? names.join(', ') : `${names.join(', ')} and ${more} more`;
}
