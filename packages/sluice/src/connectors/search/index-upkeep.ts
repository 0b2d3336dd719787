import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { LearnedCollection } from '../../core/learned-fields.ts';
import type { SearchSinkConfig } from './config.ts';
import { DEFAULT_FIELD_LIMIT, DEPTH_LIMIT_SETTING, FIELD_LIMIT, settingsOf, wholeSetting } from './index-settings.ts';
import { change, type IndexMapping, type IndexState, markOf, type Outcome, readIndex, refused } from './index-state.ts';
import type { IndexesParts } from './indexes.ts';
import { mapField, mappingFor, type WantedMapping } from './mapping/mapping-for.ts';
import { planMapping } from './mapping/mapping-plan.ts';
import { type FieldMapping, isFlatField, NOT_INDEXED, type Properties } from './mapping/properties.ts';
import { MappingNews } from './mapping-news.ts';
import { raiseSettings } from './raise-settings.ts';

/** Others may change the mapping between reading and writing it. */
const MOST_TRIES = 3;
/** The field of tombstones (tombstones.ts). */
const TOMBSTONE: FieldMapping = { properties: { deleted: { type: 'boolean' }, at: { type: 'date' } } };
/** The products take 32 bits for numbers that they do not know, and refuse what is larger. */
const DOUBLES = { match_mapping_type: 'double', mapping: { type: 'double' } };
/** Another one for every index, also of the same name. */
const UUID = 'index.uuid';
/** Longer ids are hashed. */
const LONGEST_ID = 512;

/** An index, and what is known of the documents that go there. */
export interface UpkeepRequest {
  readonly index: string;
  readonly source: Namespace;
  readonly learned: LearnedCollection | undefined;
  readonly validator: unknown;
  readonly signal: AbortSignal;
}

/** Makes and changes indexes, so that they fit what is known of the documents. All of it can be repeated. */
export class IndexUpkeep {
  readonly #parts: IndexesParts;
  readonly #news: MappingNews;
  /** Indexes that were looked at, with what they had then: the least that they have. */
  readonly #known = new Map<string, IndexState>();
  /** Fields of other indexes, whose documents are about to move. */
  readonly #inherited = new Map<string, Properties>();
  #mapField: FieldMapping;

  constructor(parts: IndexesParts) {
    this.#parts = parts;
    this.#news = new MappingNews(parts.logger);
    this.#mapField = mapField(parts.client.product);
  }

  /** See `Indexes.prepare`. */
  async bringUpToDate(request: UpkeepRequest): Promise<void> {
    const { index, source } = request;
    const known = this.#known.get(index);
    if (known !== undefined) this.#checkOwner(index, known, source);
    if (known === undefined || this.#plan(known, request) !== undefined) {
      const state = await this.#settled(request, known);
      this.#known.set(index, await this.#updateMapping(state, request));
    }
    this.#inherited.delete(index);
  }

  /** See `Indexes.inherit`. */
  inherit(index: string, properties: Properties): void {
    this.#inherited.set(index, properties);
  }

  forget(index: string): void {
    this.#known.delete(index);
  }

  /** The index as it is now, with the settings that it must have. */
  async #settled(request: UpkeepRequest, known: IndexState | undefined): Promise<IndexState> {
    const found = await this.#readOrMake(request);
    // It may have been deleted and made anew by a write.
    if (known !== undefined && known.settings.get(UUID) === found.settings.get(UUID)) return found;
    const settings = await raiseSettings(found, { ...request, ...this.#parts, news: this.#news });
    return { ...found, settings };
  }

  async #readOrMake(request: UpkeepRequest): Promise<IndexState> {
    const { index, source, signal } = request;
    const state = (await readIndex(this.#parts.client, index, signal)) ?? (await this.#make(request));
    this.#checkOwner(index, state, source);
    return state;
  }

  /** Makes the index with what the user wrote; what is derived is added then, as to every other index. */
  async #make(request: UpkeepRequest): Promise<IndexState> {
    const { index, source, signal } = request;
    const { client, config, logger } = this.#parts;
    if (!config.createIndexes) throw missing(index);
    const doing = `create the index "${index}"`;
    const settings = settingsOf(config, client.product);
    const mappings = {
      dynamic: config.mapping.dynamic,
      date_detection: config.mapping.dateDetection,
      dynamic_templates: [{ doubles: DOUBLES }],
      _meta: { sluice: markOf(source, false) },
      properties: this.#fixedFields(),
    };
    const content = { settings: Object.fromEntries(settings), mappings };
    const outcome = await change(client, { path: `/${encodeURIComponent(index)}`, content, doing, signal });
    if (!outcome.ok && outcome.refusal.type !== 'resource_already_exists_exception')
      throw refused(outcome.refusal, doing);
    if (outcome.ok) logger.info({ index, collection: formatNamespace(source) }, 'index created');
    const state = await readIndex(client, index, signal);
    if (state === undefined) throw vanished(index);
    return state;
  }

  #checkOwner(index: string, { mark }: IndexState, source: Namespace): void {
    if (mark !== undefined && mark.namespace !== formatNamespace(source)) throw foreign(index, mark.namespace, source);
  }

  /** The state with every field that has room in it. */
  async #updateMapping(found: IndexState, request: UpkeepRequest): Promise<IndexState> {
    let state = found;
    for (let attempt = 1; ; attempt++) {
      const update = this.#plan(state, request);
      if (update === undefined) return state;
      const isLast = attempt === MOST_TRIES;
      const done = isLast ? await this.#putOneByOne(update, request) : await this.#put(update, request);
      state = await this.#readOrMake(request);
      if (done) return state;
    }
  }

  /** False when it was refused: others may have changed the mapping since it was read. */
  async #put(update: IndexMapping, request: UpkeepRequest): Promise<boolean> {
    const outcome = await this.#changeMapping(update, request);
    if (!outcome.ok) this.#noteMissingType(outcome.refusal.reason);
    return outcome.ok;
  }

  /** Leaves out what the server does not take. */
  async #putOneByOne(update: IndexMapping, request: UpkeepRequest): Promise<true> {
    const { properties = {}, ...rest } = update;
    const parts = Object.entries(properties).map((part) => ({ properties: Object.fromEntries([part]) }));
    for (const content of Object.keys(rest).length > 0 ? [rest, ...parts] : parts) {
      const outcome = await this.#changeMapping(content, request);
      if (outcome.ok) continue;
      const { index } = request;
      const { type, reason } = outcome.refusal;
      this.#news.once(index, reason, (logger) =>
        logger.warn({ index, type, reason }, 'the server does not take a part of the mapping, which stays without it'),
      );
    }
    return true;
  }

  #changeMapping(content: IndexMapping, { index, signal }: UpkeepRequest): Promise<Outcome> {
    const doing = `change the mapping of the index "${index}"`;
    return change(this.#parts.client, { path: `/${encodeURIComponent(index)}/_mapping`, content, doing, signal });
  }

  /** The distribution of Elasticsearch without X-Pack has no `flattened`. */
  #noteMissingType(reason: string): void {
    if (isFlatField(this.#mapField) && reason.includes(`[${this.#mapField.type}]`) && reason.includes('No handler')) {
      this.#mapField = NOT_INDEXED;
    }
  }

  /** What to put into the mapping; undefined when there is nothing. */
  #plan(state: IndexState, request: UpkeepRequest): IndexMapping | undefined {
    const { index, source } = request;
    const { from } = this.#parts.config.mapping;
    const { mapping, mark, settings } = state;
    const limit = wholeSetting(settings, FIELD_LIMIT) ?? DEFAULT_FIELD_LIMIT;
    const wanted = this.#wanted(state, request, from);
    const plan = planMapping(mapping, wanted, limit);
    this.#news.problems(index, wanted.problems);
    this.#news.conflicts(index, plan.conflicts);
    // What the product would map by itself counts as well.
    const coming =
      plan.takesOthers || from === 'both' ? plan : planMapping(mapping, this.#wanted(state, request, 'both'), limit);
    this.#news.room(index, coming.room, plan.takesOthers);
    if (mark !== undefined) return plan.update;
    return { ...plan.update, _meta: { ...mapping._meta, sluice: markOf(source, true) } };
  }

  #wanted(
    { settings }: IndexState,
    { index, learned, validator }: UpkeepRequest,
    from: SearchSinkConfig['mapping']['from'],
  ): WantedMapping {
    const sources = {
      user: this.#fixedFields(),
      inherited: this.#inherited.get(index),
      validator: from === 'both' || from === 'validator' ? validator : undefined,
      learned: from === 'both' || from === 'learned' ? learned : undefined,
    };
    const depthLimit = wholeSetting(settings, DEPTH_LIMIT_SETTING);
    return mappingFor(sources, { mapField: this.#mapField, depthLimit });
  }

  /** The user's fields, and those that the sink writes itself. */
  #fixedFields(): Properties {
    const { idField, deletes, mapping } = this.#parts.config;
    return {
      ...(deletes.mode === 'tombstone' ? { _sluice: TOMBSTONE } : {}),
      ...(idField === undefined ? {} : { [idField]: { type: 'keyword', ignore_above: LONGEST_ID } }),
      ...(mapping.properties as Properties),
    };
  }
}

function missing(index: string): SluiceError {
  return new SluiceError(`the index "${index}" does not exist and must not be created`, {
    kind: 'config',
    code: 'search.index-missing',
    hint: 'Create it, or set `createIndexes: true`.',
  });
}

function vanished(index: string): SluiceError {
  return new SluiceError(`the index "${index}" was deleted while it was prepared`, {
    kind: 'transient',
    code: 'search.index-vanished',
    hint: 'It is made again.',
  });
}

function foreign(index: string, has: string, wanted: Namespace): SluiceError {
  return new SluiceError(
    `documents of ${formatNamespace(wanted)} would go to the index "${index}", which has those of ${has}`,
    {
      kind: 'config',
      code: 'search.shared-index',
      hint: 'Ids are unique in one collection only: give each an index of its own (`{db}` and `{coll}` in `index`). If the other collection is gone for good, delete the index.',
    },
  );
}
