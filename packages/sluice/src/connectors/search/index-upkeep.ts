import { formatNamespace, type Namespace } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';
import type { LearnedCollection } from '../../core/learned-fields.ts';
import type { SearchSinkConfig } from './config.ts';
import { DEFAULT_FIELD_LIMIT, DEPTH_LIMIT_SETTING, FIELD_LIMIT, settingsOf, wholeSetting } from './index-settings.ts';
import {
  change,
  type IndexMapping,
  type IndexState,
  markFor,
  markOf,
  noteOf,
  type Outcome,
  type Refusal,
  readIndex,
  refused,
} from './index-state.ts';
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
  /** True when the index is looked at even if nothing is new. */
  readonly look?: boolean;
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
    const { index } = request;
    const known = this.#known.get(index);
    if (known === undefined || request.look === true || this.#plan(known, request) !== undefined) {
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

  /** The index as it was when it was looked at last. */
  known(index: string): IndexState | undefined {
    return this.#known.get(index);
  }

  /** Somebody has looked at it, and it was like this. */
  seen(index: string, state: IndexState): void {
    if (this.#known.has(index)) this.#known.set(index, state);
  }

  /** The index as it is now, with the settings that it must have. */
  async #settled(request: UpkeepRequest, known: IndexState | undefined): Promise<IndexState> {
    let found = await this.#readOrMake(request);
    if (known !== undefined) {
      if (known.settings.get(UUID) === found.settings.get(UUID)) return found;
      found = await this.#replaced(known, found, request);
    }
    const settings = await raiseSettings(found, { ...request, ...this.#parts, news: this.#news });
    return { ...found, settings };
  }

  /** An index that was removed is made anew by the product itself with the next write, with nothing of what the sink sets. */
  async #replaced(known: IndexState, found: IndexState, request: UpkeepRequest): Promise<IndexState> {
    const { index, source } = request;
    this.#parts.logger.warn(
      { index },
      'the index was removed while it was written to, and is another one now: what it held is missing, and fields may have other types. Delete it and copy the collection again',
    );
    if (found.mark !== undefined || known.mark?.adopted === true) return found;
    const { properties: _, ...root } = this.#newMapping(source);
    const outcome = await this.#changeMapping({ ...root, ...noteOf(found, markOf(source, false)) }, request);
    if (!outcome.ok) this.#tellRefused(outcome.refusal, request);
    return this.#readOrMake(request);
  }

  async #readOrMake(request: UpkeepRequest): Promise<IndexState> {
    const { index, source, signal } = request;
    const state = (await readIndex(this.#parts.client, index, signal)) ?? (await this.#make(request));
    // Throws when it has documents of another collection.
    markFor(index, state, source);
    return state;
  }

  /** Makes the index with what the user wrote; what is derived is added then, as to every other index. */
  async #make(request: UpkeepRequest): Promise<IndexState> {
    const { index, source, signal } = request;
    const { client, config, logger } = this.#parts;
    if (!config.createIndexes) throw missing(index);
    const doing = `create the index "${index}"`;
    const settings = settingsOf(config, client.product);
    const mappings = this.#newMapping(source);
    const content = { settings: Object.fromEntries(settings), mappings };
    const outcome = await change(client, { path: `/${encodeURIComponent(index)}`, content, doing, signal });
    if (!outcome.ok && outcome.refusal.type !== 'resource_already_exists_exception')
      throw refused(outcome.refusal, doing);
    if (outcome.ok) logger.info({ index, collection: formatNamespace(source) }, 'index created');
    const state = await readIndex(client, index, signal);
    if (state === undefined) throw vanished(index);
    return state;
  }

  #newMapping(source: Namespace) {
    const { mapping } = this.#parts.config;
    return {
      dynamic: mapping.dynamic,
      date_detection: mapping.dateDetection,
      dynamic_templates: [{ doubles: DOUBLES }],
      _meta: { sluice: markOf(source, false) },
      properties: this.#fixedFields(),
    };
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
      if (!outcome.ok) this.#tellRefused(outcome.refusal, request);
    }
    return true;
  }

  #tellRefused({ type, reason }: Refusal, { index }: UpkeepRequest): void {
    this.#news.once(index, reason, (logger) =>
      logger.warn({ index, type, reason }, 'the server does not take a part of the mapping, which stays without it'),
    );
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
    const { mapping, settings } = state;
    const limit = wholeSetting(settings, FIELD_LIMIT) ?? DEFAULT_FIELD_LIMIT;
    const wanted = this.#wanted(state, request, from);
    const plan = planMapping(mapping, wanted, limit);
    this.#news.problems(index, wanted.problems);
    this.#news.conflicts(index, plan.conflicts);
    // What the product would map by itself counts as well.
    const coming =
      plan.takesOthers || from === 'both' ? plan : planMapping(mapping, this.#wanted(state, request, 'both'), limit);
    this.#news.room(index, coming.room, plan.takesOthers);
    const mark = markFor(index, state, source);
    return mark === undefined ? plan.update : { ...plan.update, ...noteOf(state, mark) };
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
