import { checkConfigText, type LoadedConfig } from '../config/load.ts';
import { registry } from '../connectors/registry.ts';
import { SluiceError } from '../core/failure.ts';
import type { ImportEntry } from '../importers/import-result.ts';
import { type Invocation, usageError } from './action.ts';
import type { ImportOptions, ImportSource } from './import-options.ts';
import { unsupported } from './import-report.ts';
import { readImport } from './read-import.ts';

/** The configuration of another tool, ready to run, and what became of its options. */
export interface ImportedConfig {
  readonly loaded: LoadedConfig;
  readonly report: readonly ImportEntry[];
}

/**
 * Imports the file that `words` name and checks it like a file of our own. What the tool does and we do not must be
 * looked at by a person first: with anything not supported this throws a `config` error.
 */
export async function loadImported(
  invocation: Invocation<ImportOptions>,
  source: ImportSource,
  words: readonly string[],
): Promise<ImportedConfig> {
  const [file, ...others] = words;
  if (others.length > 0) throw usageError(`--from ${source} takes one file`, 'all of its pipelines are run');
  const { yaml, report, secrets } = await readImport(invocation, source, file);
  const missing = unsupported(report);
  if (missing.length > 0) throw notSupported(source, missing);
  const values = Object.entries(secrets).map(([name, secret]) => [name, secret.reveal()] as const);
  const env = { ...invocation.env, ...Object.fromEntries(values) };
  const loaded = checkConfigText(yaml, { file: file ?? source, registry, env });
  invocation.hide(loaded.secrets);
  return { loaded, report };
}

function notSupported(source: ImportSource, missing: readonly ImportEntry[]): SluiceError {
  const options = missing.map(({ option, reason }) => `${option} (${reason})`).join('; ');
  return new SluiceError(`not everything in the file is supported: ${options}`, {
    kind: 'config',
    code: 'import.not-supported',
    hint: `Write a configuration with "sluice import ${source} … -o sluice.yaml", look at it, and run that.`,
  });
}
