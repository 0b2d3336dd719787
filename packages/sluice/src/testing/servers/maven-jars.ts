import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from './server-cache.ts';

const COPY_DEPENDENCIES = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
const DOWNLOAD_LIMIT_MS = 600_000;

/** What Maven calls a library: group, artifact, version. */
export type Artifact = readonly [group: string, artifact: string, version: string];

/** Fetches the artifacts with all they need at run time from Maven Central into `folder`, which is made. */
export async function fetchJars(folder: string, artifacts: readonly Artifact[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'pom.xml'), projectFile(artifacts));
  // Strict checksums: a damaged download must not be kept.
  const args = ['-q', '-B', '-C', COPY_DEPENDENCIES, `-DoutputDirectory=${folder}`, '-DincludeScope=runtime'];
  await runProgram('mvn', args, { cwd: folder, timeoutMs: DOWNLOAD_LIMIT_MS });
}

function projectFile(artifacts: readonly Artifact[]): string {
  const dependencies = artifacts.map(
    ([group, artifact, version]) =>
      `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`,
  );
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0">',
    '<modelVersion>4.0.0</modelVersion>',
    '<groupId>sluice</groupId><artifactId>jars-for-tests</artifactId><version>1</version>',
    `<dependencies>${dependencies.join('')}</dependencies>`,
    '</project>',
  ].join('\n');
}
