import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Artifact, fetchJars } from './maven-jars.ts';
import { fillCache, type Report, reportOnStderr, serverCacheDir } from './server-cache.ts';

/** The releases whose outputs are recorded. */
export const CONNECT_VERSIONS = { runtime: '4.1.0', mongodb: '2.0.1', debezium: '3.5.0.Final' } as const;

const CACHE_NAME = `kafka-connect-${CONNECT_VERSIONS.runtime}-${CONNECT_VERSIONS.mongodb}-${CONNECT_VERSIONS.debezium}`;

/** The folders below the cache, and what is in them. Each plugin has a class loader of its own. */
const FOLDERS: Readonly<Record<string, readonly Artifact[]>> = {
  runtime: [
    ['org.apache.kafka', 'connect-runtime', CONNECT_VERSIONS.runtime],
    ['org.apache.kafka', 'connect-json', CONNECT_VERSIONS.runtime],
    ['org.slf4j', 'slf4j-simple', '1.7.36'],
  ],
  'plugins/mongodb': [['org.mongodb.kafka', 'mongo-kafka-connect', CONNECT_VERSIONS.mongodb]],
  'plugins/debezium': [['io.debezium', 'debezium-connector-mongodb', CONNECT_VERSIONS.debezium]],
};

/** What is needed to run Kafka Connect with the two connectors. */
export interface ConnectInstallation {
  readonly classPath: string;
  readonly pluginPath: string;
}

/** The jars in the user's cache, fetched once from Maven Central. Throws when Maven is missing or fails. */
export async function findConnect(report: Report = reportOnStderr): Promise<ConnectInstallation> {
  const cached = join(serverCacheDir(), CACHE_NAME);
  const home = (await isComplete(cached)) ? cached : await fetchConnect(report);
  return { classPath: join(home, 'runtime', '*'), pluginPath: join(home, 'plugins') };
}

async function isComplete(home: string): Promise<boolean> {
  const counts = await Promise.all(
    Object.keys(FOLDERS).map(async (folder) => (await readdir(join(home, folder)).catch(() => [])).length),
  );
  return counts.every((count) => count > 0);
}

async function fetchConnect(report: Report): Promise<string> {
  report('sluice: fetching Kafka Connect and two connectors from Maven Central into the cache (once)');
  return fillCache(CACHE_NAME, async (scratch) => {
    const home = join(scratch, 'home');
    for (const [folder, artifacts] of Object.entries(FOLDERS)) await fetchJars(join(home, folder), artifacts);
    return home;
  });
}
