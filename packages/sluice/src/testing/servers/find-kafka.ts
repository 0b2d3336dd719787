import { readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SluiceError } from '../../core/failure.ts';
import { fetchJars } from './maven-jars.ts';
import {
  fillCache,
  findOnPath,
  isExecutable,
  type Report,
  reportOnStderr,
  runProgram,
  serverCacheDir,
} from './server-cache.ts';

const KAFKA_VERSION = '4.1.0';
const CACHE_NAME = `kafka-${KAFKA_VERSION}`;
const OLDEST_JAVA = 17;
const JAVA_LIMIT_MS = 30_000;

/** slf4j-simple is not part of Kafka: without a binding the broker says nothing when it refuses to start. */
const ARTIFACTS = [
  ['org.apache.kafka', 'kafka_2.13', KAFKA_VERSION],
  ['org.apache.kafka', 'kafka-tools', KAFKA_VERSION],
  ['org.slf4j', 'slf4j-simple', '1.7.36'],
] as const;

/** What is needed to run Kafka. */
export interface KafkaInstallation {
  readonly java: string;
  /** Class path with all of Kafka's jars. */
  readonly classPath: string;
}

/**
 * Kafka's jars and a java to run them: of an installation on the PATH, in the user's cache, or fetched once from
 * Maven Central into that cache. Throws an error that lists what was tried and what to install.
 */
export async function findKafka(report: Report = reportOnStderr): Promise<KafkaInstallation> {
  const java = await findJava();
  const tried: string[] = [];
  const onPath = await findOnPath('kafka-server-start.sh');
  if (onPath === undefined) tried.push('PATH: no kafka-server-start.sh');
  else {
    const libs = join(dirname(dirname(await realpath(onPath))), 'libs');
    if (await holdsKafka(libs)) return { java, classPath: join(libs, '*') };
    tried.push(`PATH: ${onPath}: no Kafka 4 jars in ${libs}`);
  }
  const cached = join(serverCacheDir(), CACHE_NAME);
  if (await holdsKafka(cached)) return { java, classPath: join(cached, '*') };
  tried.push(`cache: no ${cached}`);
  try {
    return { java, classPath: join(await fetchKafka(report), '*') };
  } catch (error) {
    tried.push(`Maven (kafka_2.13 and kafka-tools ${KAFKA_VERSION}): ${(error as Error).message}`);
    throw notFound(`no usable Kafka found\n${tried.map((line) => `  - ${line}`).join('\n')}`);
  }
}

async function holdsKafka(libs: string): Promise<boolean> {
  const files = await readdir(libs).catch(() => []);
  return ['kafka_2.13-4.', 'kafka-tools-4.'].every((name) => files.some((file) => file.startsWith(name)));
}

async function fetchKafka(report: Report): Promise<string> {
  report(`sluice: fetching Kafka ${KAFKA_VERSION} from Maven Central into the cache (54 MB, once)`);
  return fillCache(CACHE_NAME, async (scratch) => {
    const libs = join(scratch, 'libs');
    await fetchJars(libs, ARTIFACTS);
    if (!(await holdsKafka(libs))) throw new Error('the jars are not where Maven was asked to put them');
    return libs;
  });
}

/** A java new enough, of JAVA_HOME or on the PATH. Throws an error that says what to install. */
export async function findJava(): Promise<string> {
  const home = process.env['JAVA_HOME'];
  const fromHome = home === undefined || home === '' ? undefined : join(home, 'bin', 'java');
  const java = fromHome !== undefined && (await isExecutable(fromHome)) ? fromHome : await findOnPath('java');
  if (java === undefined) throw notFound('Kafka needs Java, and there is none in JAVA_HOME or on the PATH');
  const output = await runProgram(java, ['-version'], { timeoutMs: JAVA_LIMIT_MS });
  const version = /version "(\d+)/.exec(output)?.[1];
  if (Number(version) < OLDEST_JAVA) throw notFound(`Kafka needs Java ${OLDEST_JAVA} or newer; ${java} is ${version}`);
  return java;
}

function notFound(message: string): SluiceError {
  return new SluiceError(message, {
    kind: 'config',
    code: 'testbed.kafka-not-found',
    hint:
      `Install Java ${OLDEST_JAVA} or newer and Maven (the jars are then fetched once from Maven Central), or put a ` +
      'Kafka 4 installation on the PATH (its bin folder), or set SLUICE_TEST_KAFKA to host:port of a broker (tests only).',
  });
}
