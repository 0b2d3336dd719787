import { nearest } from '../config/suggest.ts';
import { registry } from '../connectors/registry.ts';
import { SluiceError } from '../core/failure.ts';
import { silentLogger } from '../core/logger.ts';
import type { SchemaStore } from '../core/schema-store.ts';
import { type JsonSchemaDialect, jsonSchemaOf } from '../schema/json-schema.ts';
import { SchemaMemory, type SchemaView } from '../schema/schema-memory.ts';
import type { SchemaSettings } from '../schema/settings.ts';
import { acceptStored, loadSchemas } from '../schema/stored-schemas.ts';
import { type Invocation, type Outcome, usageError } from './action.ts';
import { loadCalled } from './load.ts';
import { schemaPlace } from './pipeline-schema.ts';
import { runningProcess, UNREACHABLE } from './running-process.ts';
import type { SchemaOptions } from './schema.ts';
import { schemaText } from './schema-text.ts';
import { onePipeline } from './select-pipelines.ts';
import { listenForSignals } from './signals.ts';

/** Shows what a pipeline has learned, as text or JSON Schema, or accepts what has changed. */
export async function schema(invocation: Invocation<SchemaOptions>): Promise<Outcome> {
  const { options } = invocation;
  if (options.accept === true) return accept(invocation);
  const view = chosenCollections(await knownSchema(invocation), options.collection);
  if (options.jsonSchema === true) return jsonSchemas(view, options);
  return { result: view, text: schemaText(view, Date.now()) };
}

async function accept(invocation: Invocation<SchemaOptions>): Promise<Outcome> {
  const pipeline = String(invocation.args[0]);
  const accepted = await askOrRead(
    invocation,
    () => runningProcess(invocation).acceptSchema(pipeline),
    async (place, signal) => (await acceptStored({ ...place, pipeline, signal })).accepted,
  );
  const text =
    accepted === 0
      ? `nothing waits to be accepted in pipeline "${pipeline}"\n`
      : `accepted in ${accepted === 1 ? 'one collection' : `${accepted} collections`}; such documents pass from now on\n`;
  return { result: { pipeline, accepted }, text };
}

/** What the process that runs the pipeline knows; what is stored when none does, or when it has seen nothing yet. */
async function knownSchema(invocation: Invocation<SchemaOptions>): Promise<SchemaView> {
  const pipeline = String(invocation.args[0]);
  const fromStore = async ({ store, storeName, settings }: StoredPlace, signal: AbortSignal) => {
    const memory = new SchemaMemory(settings);
    memory.adopt(await loadSchemas(store, pipeline, signal));
    return memory.view(pipeline, storeName);
  };
  const known = await askOrRead(invocation, () => runningProcess(invocation).schema(pipeline), fromStore);
  const isWaiting = known.collections.length === 0 && known.store !== undefined;
  return isWaiting && invocation.options.url === undefined ? readStored(invocation, fromStore) : known;
}

/** The store of a pipeline, opened. */
interface StoredPlace {
  readonly store: SchemaStore;
  readonly storeName: string | undefined;
  readonly settings: SchemaSettings;
}

type Read<T> = (place: StoredPlace, signal: AbortSignal) => Promise<T>;

/** Answers that say that the pipeline does not run there. */
const RUNS_ELSEWHERE: ReadonlySet<string> = new Set([UNREACHABLE, 'http.no-such-pipeline', 'http.no-schema']);

async function askOrRead<T>(invocation: Invocation<SchemaOptions>, ask: () => Promise<T>, read: Read<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const runsElsewhere = error instanceof SluiceError && RUNS_ELSEWHERE.has(error.code);
    if (!runsElsewhere || invocation.options.url !== undefined) throw error;
    return readStored(invocation, read, error);
  }
}

async function readStored<T>(
  invocation: Invocation<SchemaOptions>,
  read: Read<T>,
  unanswered?: SluiceError,
): Promise<T> {
  const { config } = await loadCalled(invocation);
  const pipeline = onePipeline(config, String(invocation.args[0]));
  const { schema: section, name } = pipeline;
  if (section === undefined) throw usageError(`the pipeline "${name}" learns no schema`, 'remove "schema: off"');
  const { openStore, storeName } = schemaPlace(pipeline, { registry, logger: silentLogger });
  if (openStore === undefined) throw onlyInMemory(name, unanswered);
  using signals = listenForSignals();
  await using store = await openStore(signals.stop);
  return await read({ store, storeName, settings: section }, signals.stop);
}

function onlyInMemory(name: string, unanswered: SluiceError | undefined): SluiceError {
  const why = unanswered === undefined ? '' : `${unanswered.message}, and `;
  return new SluiceError(`${why}the schema of pipeline "${name}" is kept in memory only`, {
    kind: 'transient',
    code: unanswered?.code ?? UNREACHABLE,
    hint: 'Start it with "sluice run", or name a place for it: schema: { mongodb: {} } or schema: { file: { path: … } }.',
  });
}

function chosenCollections(view: SchemaView, name: string | undefined): SchemaView {
  if (name === undefined) return view;
  const collections = view.collections.filter(({ collection }) => collection === name);
  if (collections.length > 0) {
    return { ...view, collections, changes: view.changes.filter(({ collection }) => collection === name) };
  }
  const meant = nearest(
    name,
    view.collections.map(({ collection }) => collection),
  );
  const hint = meant === undefined ? 'write it as database.collection' : `did you mean "${meant}"?`;
  throw usageError(`the pipeline "${view.pipeline}" has seen nothing of a collection "${name}"`, hint);
}

/** One schema when one collection was asked for, else all of them by collection. */
function jsonSchemas(view: SchemaView, { collection, dialect = 'mongodb' }: SchemaOptions): Outcome {
  const schemas = Object.fromEntries(
    view.collections.map((known) => [known.collection, jsonSchemaOf(known, dialect satisfies JsonSchemaDialect)]),
  );
  const printed = collection === undefined ? schemas : schemas[collection];
  return { result: { pipeline: view.pipeline, dialect, schemas }, text: `${JSON.stringify(printed, null, 2)}\n` };
}
