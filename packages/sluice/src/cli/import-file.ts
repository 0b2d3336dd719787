import { dirname, join } from 'node:path';
import type { ImportResult } from '../importers/import-result.ts';
import { type Invocation, type Outcome, usageError } from './action.ts';
import { EXIT } from './exit-code.ts';
import type { ImportCommandOptions } from './import.ts';
import type { ImportSource } from './import-options.ts';
import { importTable, unsupported } from './import-report.ts';
import { readImport } from './read-import.ts';

const SCHEMA_FILE = 'sluice.schema.json';

/** `sluice import …`: the YAML on stdout or in a file, the report on stderr. */
export async function importFile(invocation: Invocation<ImportCommandOptions>, source: ImportSource): Promise<Outcome> {
  const { options, terminal, args } = invocation;
  const { existsSync, readFileSync, writeFileSync } = await import('node:fs');
  const { output } = options;
  if (output !== undefined && options.force !== true && existsSync(output)) {
    throw usageError(`${output} is already there`, 'overwrite it with --force, or name another with --output');
  }
  const imported = await readImport(invocation, source, args[0] as string | undefined);
  const { yaml, report, pipelines, variables } = imported;
  if (options.json !== true) terminal.message(importTable(imported, terminal));
  await assertValid(imported);
  const differs = report.some(({ outcome }) => outcome === 'changed') || unsupported(report).length > 0;
  const exitCode = options.strict === true && differs ? EXIT.assertion : EXIT.ok;
  const result = { file: output ?? null, pipelines, variables, report, config: yaml };
  if (output === undefined) {
    // It holds no secrets; masking would also take user names out of it.
    return { exitCode, result, text: yaml, verbatim: true };
  }
  writeFileSync(output, yaml, { flag: options.force === true ? 'w' : 'wx' });
  const schema = join(dirname(output), SCHEMA_FILE);
  writeFileSync(schema, readFileSync(new URL(`../../schema/${SCHEMA_FILE}`, import.meta.url)));
  if (options.json !== true) terminal.message(`${terminal.paintMessage('green', 'written')}: ${output}\n`);
  return { exitCode, result, verbatim: true };
}

/** What is written must pass the check that the user runs next. */
async function assertValid({ yaml, variables, secrets }: ImportResult): Promise<void> {
  const [{ checkConfigText }, { registry }] = await Promise.all([
    import('../config/load.ts'),
    import('../connectors/registry.ts'),
  ]);
  const values = variables.map(({ name }) => [name, secrets[name]?.reveal() ?? STAND_INS[name] ?? STAND_IN] as const);
  checkConfigText(yaml, { file: 'sluice.yaml', registry, env: Object.fromEntries(values) });
}

/** For variables whose values the input does not hold. */
const STAND_IN = 'a-value-of-some-length';
const STAND_INS: Readonly<Record<string, string>> = { MONGO_URI: 'mongodb://localhost' };
