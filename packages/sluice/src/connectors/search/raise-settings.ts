import { SluiceError } from '../../core/failure.ts';
import { formatDuration } from '../../settings/units.ts';
import {
  DEFAULT_FIELD_LIMIT,
  DEFAULT_GC_DELETES_MS,
  DURABILITY,
  FIELD_LIMIT,
  type FlatSettings,
  GC_DELETES,
  IGNORE_MALFORMED,
  isSet,
  parseTime,
  settingsOf,
  wholeSetting,
} from './index-settings.ts';
import { change, type IndexState, refused } from './index-state.ts';
import type { IndexesParts } from './indexes.ts';
import type { MappingNews } from './mapping-news.ts';

/** What settings are raised with. */
export interface RaiseParts extends Pick<IndexesParts, 'client' | 'config' | 'logger'> {
  readonly index: string;
  readonly news: MappingNews;
  readonly signal: AbortSignal;
}

/**
 * Raises what is too low and can be changed at any time, `index.gc_deletes` above all: below it, a removed document may come
 * back. Tells of what cannot be changed any more. Resolves with the settings as they are then.
 */
export async function raiseSettings({ settings, mark }: IndexState, parts: RaiseParts): Promise<FlatSettings> {
  const { client, config, index, news } = parts;
  const { deletes, mapping } = config;
  if (client.product.serverless) return settings;
  const wanted = settingsOf(config, client.product);
  const raised = new Map<string, unknown>();
  const gcDeletes = parseTime(settings.get(GC_DELETES) ?? DEFAULT_GC_DELETES_MS) ?? 0;
  if (deletes.mode === 'remove' && gcDeletes < deletes.gcDeletes) raised.set(GC_DELETES, wanted.get(GC_DELETES));
  const limit = wholeSetting(settings, FIELD_LIMIT) ?? DEFAULT_FIELD_LIMIT;
  const wantedLimit = wholeSetting(wanted, FIELD_LIMIT) ?? mapping.fieldLimit;
  // Whoever made an index may have set it on purpose.
  if (mark !== undefined && mark.adopted !== true && limit < wantedLimit) raised.set(FIELD_LIMIT, wantedLimit);
  if (settings.get(DURABILITY) === 'async') {
    news.once(index, DURABILITY, (logger) =>
      logger.warn(
        { index },
        `\`${DURABILITY}\` of an index is async: what its node has taken in the last seconds is lost when the node fails. Set it to request`,
      ),
    );
  }
  const ignores = isSet(settings, IGNORE_MALFORMED);
  if (ignores !== isSet(wanted, IGNORE_MALFORMED)) {
    news.once(index, IGNORE_MALFORMED, (logger) =>
      logger.warn(
        { index, [IGNORE_MALFORMED]: ignores },
        '`mapping.malformed` cannot be changed any more in an index that is there: its own setting counts',
      ),
    );
  }
  const isRaised = raised.size > 0 && (await raise(raised, parts));
  return isRaised ? new Map([...settings, ...raised]) : settings;
}

/** False when it may not be done: then the pipeline goes on, with a warning. */
async function raise(raised: FlatSettings, { client, config, index, logger, signal }: RaiseParts): Promise<boolean> {
  const settings = Object.fromEntries(raised);
  const doing = `raise settings of the index "${index}"`;
  const path = `/${encodeURIComponent(index)}/_settings`;
  try {
    const outcome = await change(client, { path, content: settings, doing, signal });
    if (!outcome.ok) throw refused(outcome.refusal, doing);
    logger.info({ index, settings }, 'raised settings of an index');
    return true;
  } catch (error) {
    if (!(error instanceof SluiceError) || error.kind !== 'config') throw error;
    const fields = { index, settings, reason: error.message };
    const least = formatDuration(config.deletes.gcDeletes);
    logger.warn(
      fields,
      raised.has(GC_DELETES)
        ? `\`${GC_DELETES}\` of an index is below ${least}, so a document that is deleted may come back after a replay: raise it by hand, or set \`deletes.mode: tombstone\``
        : 'settings of an index cannot be raised: raise them by hand',
    );
    return false;
  }
}
