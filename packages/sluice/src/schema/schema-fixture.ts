import { BSON } from 'mongodb';
import { NamespaceCache } from '../bson/namespace-cache.ts';
import { parseChangeEvent } from '../bson/raw-change-event.ts';
import type { ChangeEvent } from '../core/change-event.ts';
import type { Logger } from '../core/logger.ts';
import { silentLogger } from '../core/logger.ts';
import type { SchemaStore } from '../core/schema-store.ts';
import type { Transformed } from '../core/transform.ts';
import type { SchemaChange } from './collection-schema.ts';
import { PipelineSchema } from './pipeline-schema.ts';
import type { SchemaView } from './schema-memory.ts';
import type { SchemaStep } from './schema-step.ts';
import type { SchemaSettings } from './settings.ts';

const SECOND = 1_700_000_000;
const namespaces = new NamespaceCache();
let sequence = 0;

/** What a made-up event is made of. */
export interface SchemaEventInit {
  readonly op?: 'insert' | 'update' | 'replace' | 'delete' | 'snapshot' | 'drop';
  readonly coll?: string;
  readonly document?: object;
  /** `updatedFields` of an update without its document. */
  readonly updated?: object;
}

/** An event as a server sends it; each is a second later than the one before. */
export function eventOf({ op = 'insert', coll = 'users', document, updated }: SchemaEventInit): ChangeEvent {
  sequence += 1;
  const raw = BSON.serialize({
    _id: { _data: `82${sequence.toString(16).padStart(16, '0')}` },
    operationType: op,
    clusterTime: new BSON.Timestamp({ t: SECOND + sequence, i: 1 }),
    wallTime: new Date((SECOND + sequence) * 1000),
    ...(document === undefined ? {} : { fullDocument: document }),
    ...(updated === undefined ? {} : { updateDescription: { updatedFields: updated, removedFields: [] } }),
    ns: { db: 'test', coll },
    documentKey: { _id: sequence },
  });
  return parseChangeEvent(raw, namespaces);
}

export const signal = new AbortController().signal;

/** A schema that is watched by a test. */
export interface WatchedSchema {
  readonly schema: PipelineSchema;
  readonly changes: SchemaChange[];
  /** Fields and texts of the log. */
  readonly log: (readonly [level: string, message: string, fields: Readonly<Record<string, unknown>>])[];
  view(): SchemaView;
}

/** A pipeline's schema with everything that it tells. */
export function watchedSchema(
  settings: Partial<SchemaSettings> = {},
  openStore?: (signal: AbortSignal) => Promise<SchemaStore>,
): WatchedSchema {
  const changes: SchemaChange[] = [];
  const log: [string, string, Readonly<Record<string, unknown>>][] = [];
  const note = (level: string) => (fields: object, message: string) =>
    void log.push([level, message, fields as Readonly<Record<string, unknown>>]);
  const logger: Logger = { ...silentLogger, info: note('info'), warn: note('warn'), error: note('error') };
  const schema = new PipelineSchema({
    pipeline: 'orders',
    settings: { onChange: 'warn', learnDocuments: 3, collapseAbove: 10, ...settings },
    openStore,
    storeName: openStore && 'a place',
    logger,
    onChange: (change) => void changes.push(change),
  });
  return { schema, changes, log, view: () => schema.view() };
}

/** Gives events to a step; for each the error that it was refused with. */
export async function pass(
  step: SchemaStep,
  ...inits: readonly SchemaEventInit[]
): Promise<readonly (Error | undefined)[]> {
  const batch = inits.map(eventOf).map((event) => ({ event, namespace: event.namespace }));
  const results: readonly Transformed[] = await step.apply(batch, signal);
  return results.map((result, index) => {
    if (result instanceof Error) return result;
    if (result !== batch[index]) throw new Error('an envelope was changed');
    return undefined;
  });
}

/** Whole documents. */
export function inserts(...documents: readonly object[]): readonly SchemaEventInit[] {
  return documents.map((document) => ({ document }));
}

/** Paths with their types, of one collection. */
export function typesIn(view: SchemaView, collection = 'test.users'): Readonly<Record<string, string>> {
  const found = view.collections.find((one) => one.collection === collection);
  return Object.fromEntries(
    (found?.fields ?? []).map(({ path, types }) => [
      path,
      types.map(({ type, pending }) => (pending ? `${type}?` : type)).join(),
    ]),
  );
}
