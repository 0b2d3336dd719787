import { constants } from 'node:fs';
import { copyFile, link, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectorContext } from '../../core/connector.ts';
import { SluiceError } from '../../core/failure.ts';
import type { SchemaStore, StoredSchema } from '../../core/schema-store.ts';
import { classified, errnoOf, ifExists } from './classify.ts';
import type { FileSchemaConfig } from './config.ts';
import { makeDirectory, PRIVATE_FILE, syncDirectory, writeFully } from './durable.ts';
import { safeName } from './path-template.ts';

/** Old revisions stay for a while: a process that is still making the next of one then finds that there is a newer one. */
const KEPT = 3;
const KEPT_FOR_MS = 60_000;
const ENDING = /^(.+)\.(\d+)\.json$/;

/**
 * Opens the learned schemas in a directory: for the pipeline `orders` a directory `orders.schema` with one file for each
 * collection and revision (`shop.items.7.json`); the last one counts. A new revision is a new file, and only one process
 * can make it; old ones are removed after a while.
 */
export async function openFileSchemaStore(config: FileSchemaConfig, _context: ConnectorContext): Promise<SchemaStore> {
  const directoryOf = (pipeline: string) => join(config.path, `${safeName(pipeline)}.schema`);
  await classified(`make the directory ${config.path}`, () => makeDirectory(config.path));
  return {
    async load(pipeline, signal) {
      signal.throwIfAborted();
      const directory = directoryOf(pipeline);
      return classified(`read the learned schemas in ${directory}`, () => load(directory));
    },
    async read(pipeline, collection, signal) {
      signal.throwIfAborted();
      const directory = directoryOf(pipeline);
      return classified(`read the learned schemas in ${directory}`, () => readLast(directory, safeName(collection)));
    },
    async replace(pipeline, schema, signal) {
      signal.throwIfAborted();
      const directory = directoryOf(pipeline);
      return classified(`save the learned schemas in ${directory}`, () => replace(directory, schema));
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** The revisions that a directory has of each collection, by the safe name of that. */
async function revisionsIn(directory: string): Promise<ReadonlyMap<string, readonly number[]>> {
  const names = (await ifExists(readdir(directory))) ?? [];
  const revisions = new Map<string, number[]>();
  for (const name of names) {
    const [, stem, revision] = ENDING.exec(name) ?? [];
    if (stem !== undefined) revisions.set(stem, [...(revisions.get(stem) ?? []), Number(revision)]);
  }
  return revisions;
}

async function load(directory: string): Promise<readonly StoredSchema[]> {
  const stems = [...(await revisionsIn(directory)).keys()];
  const stored = await Promise.all(stems.map((stem) => readLast(directory, stem)));
  return stored.filter((schema) => schema !== undefined);
}

/** The last revision; another process may remove a file that was just found, for it has made a newer one. */
async function readLast(directory: string, stem: string): Promise<StoredSchema | undefined> {
  for (;;) {
    const revisions = (await revisionsIn(directory)).get(stem);
    if (revisions === undefined) return undefined;
    const revision = Math.max(...revisions);
    const path = fileOf(directory, stem, revision);
    const content = await ifExists(readFile(path, 'utf8'));
    if (content !== undefined) return { ...contentOf(content, path), revision };
  }
}

/** Only one process can make the file of the next revision, and it appears with all of its content. */
async function replace(directory: string, schema: StoredSchema): Promise<boolean> {
  const { collection, text } = schema;
  const stem = safeName(collection);
  const revision = schema.revision + 1;
  await makeDirectory(directory);
  const temporary = join(directory, `.${stem}.${process.pid}-${crypto.randomUUID()}`);
  try {
    {
      await using handle = await open(temporary, 'wx', PRIVATE_FILE);
      await writeFully(handle, Buffer.from(`${JSON.stringify({ collection, schema: text })}\n`));
      await handle.sync();
    }
    if (!(await appear(temporary, fileOf(directory, stem, revision)))) return false;
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(directory);
  return settle(directory, stem, revision);
}

/** False when the file is there already. */
async function appear(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
  }
  // Some file systems have no hard links.
  try {
    await copyFile(temporary, path, constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Removes old revisions, the oldest first. False when the one that was made took the name of a removed one: its base is
 * gone and there are newer ones, so it counts for nothing.
 */
async function settle(directory: string, stem: string, made: number): Promise<boolean> {
  const revisions = (await revisionsIn(directory)).get(stem) ?? [];
  const last = Math.max(...revisions);
  const writtenMs = async (revision: number) =>
    (await ifExists(stat(fileOf(directory, stem, revision))))?.mtimeMs ?? Number.POSITIVE_INFINITY;
  // The first one has no base; what was made from it was written after it.
  const hasBase = made === 1 ? (await writtenMs(last)) >= (await writtenMs(made)) : revisions.includes(made - 1);
  const isStale = made < last && !hasBase;
  if (isStale) await rm(fileOf(directory, stem, made), { force: true });
  for (const revision of revisions.toSorted((a, b) => a - b)) {
    if (revision > last - KEPT || Date.now() - (await writtenMs(revision)) < KEPT_FOR_MS) break;
    await rm(fileOf(directory, stem, revision), { force: true });
  }
  return !isStale;
}

function fileOf(directory: string, stem: string, revision: number): string {
  return join(directory, `${stem}.${revision}.json`);
}

function contentOf(content: string, path: string): Omit<StoredSchema, 'revision'> {
  try {
    const { collection, schema } = JSON.parse(content) as { readonly collection: unknown; readonly schema: unknown };
    if (typeof collection === 'string' && typeof schema === 'string') return { collection, text: schema };
  } catch {
    // Told below.
  }
  throw new SluiceError(`the learned schema in ${path} cannot be read`, {
    kind: 'config',
    code: 'schema.damaged',
    hint: `Remove the file; the collection is then learned anew: rm '${path}'`,
  });
}
