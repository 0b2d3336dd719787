import assert from 'node:assert/strict';
import { registry } from '../connectors/registry.ts';
import { checkConfigText, type LoadedConfig } from './load.ts';
import { ConfigError } from './problem.ts';

/** Variables that the configurations of the tests refer to. */
export const ENV = {
  MONGO_URI: 'mongodb://sluice:canary-1@h1,h2/?replicaSet=rs0',
  KAFKA_PASSWORD: 'canary-2',
  NUMBER: '7',
  EMPTY: '',
};

/** Checks a text as if it stood in `/etc/sluice/sluice.yaml`. */
export function load(text: string, env: Record<string, string> = ENV): LoadedConfig {
  return checkConfigText(text, { file: '/etc/sluice/sluice.yaml', registry, env });
}

/** What is wrong with a text, without the name of the file. */
export function problemsOf(text: string, env?: Record<string, string>): string {
  try {
    load(text, env);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message.replaceAll('/etc/sluice/sluice.yaml:', '');
  }
  throw new assert.AssertionError({ message: `accepted: ${text}` });
}

/** A file with one pipeline; the parts replace those of a good one. */
export function pipeline(parts: { source?: string; sink?: string; more?: string; top?: string } = {}): string {
  const source = parts.source ?? 'mongodb: { uri: "${env:MONGO_URI}" }';
  const sink = parts.sink ?? 'stdout: {}';
  return `version: 1
${parts.top ?? ''}
pipelines:
  orders:
    source: { ${source} }
    sink: { ${sink} }
    ${parts.more ?? ''}
`;
}

/** A Kafka sink with further settings, for `pipeline`. */
export const kafka = (more: string) => ({ sink: `kafka: { brokers: [b:9092], ${more} }` });
/** A MongoDB source with further settings, for `pipeline`. */
export const mongodb = (more: string) => ({ source: `mongodb: { uri: "\${env:MONGO_URI}", ${more} }` });
