import { dirname, join } from 'node:path';
import { type Command, Option } from 'commander';
import { action, configFileOf, type GlobalOptions, type Invocation, usageError } from './action.ts';
import { describedCommand } from './help.ts';
import { INIT_SINKS, type InitAnswers } from './init-template.ts';

interface InitOptions {
  readonly mongoUriEnv?: string | undefined;
  readonly include?: readonly string[] | undefined;
  readonly snapshot?: InitAnswers['snapshot'] | undefined;
  readonly sink?: InitAnswers['sink'] | undefined;
  readonly brokers?: string | undefined;
  readonly servers?: string | undefined;
  readonly nodes?: string | undefined;
  readonly targetUriEnv?: string | undefined;
  readonly pipeline?: string | undefined;
  readonly output?: string | undefined;
  readonly force?: boolean | undefined;
}

/** `sluice init` */
export function initCommand(): Command {
  return describedCommand({
    name: 'init',
    summary: 'write a commented sluice.yaml to start from',
    description:
      'Writes a commented configuration with one pipeline. On a terminal it asks for what no option says; ' +
      'otherwise the defaults are taken. The connection string is never written, only the name of its variable.',
    examples: [
      ['sluice init', 'asks, and writes sluice.yaml'],
      ['sluice init --include "shop.*" --sink kafka --brokers localhost:9092', 'asks less'],
      ['sluice init --sink stdout --output -', 'prints it instead of writing a file'],
    ],
  })
    .option('--mongo-uri-env <name>', 'environment variable that holds the connection string (MONGO_URI)')
    .option('--include <patterns...>', 'what to read, as patterns over database.collection')
    .addOption(
      new Option('--snapshot <mode>', 'what to do with what is there already (initial)').choices([
        'initial',
        'never',
        'only',
      ]),
    )
    .addOption(new Option('--sink <name>', 'where to write').choices(INIT_SINKS))
    .option('--brokers <list>', 'Kafka brokers as host:port, separated by commas (localhost:9092)')
    .option('--servers <list>', 'NATS servers as host:port, separated by commas (localhost:4222)')
    .option('--nodes <list>', 'URLs of Elasticsearch or OpenSearch, separated by commas (http://localhost:9200)')
    .option('--target-uri-env <name>', 'variable with the connection string of a MongoDB or PostgreSQL to write to')
    .option('--pipeline <name>', 'name of the pipeline (changes)')
    .option('-o, --output <file>', 'file to write; "-" prints it (default: the file of --config)')
    .option('--force', 'overwrite the file')
    .action(action<InitOptions>(init));
}

async function init(invocation: Invocation<InitOptions>) {
  const { options, terminal } = invocation;
  const output = options.output ?? configFileOf(options);
  const { existsSync, readFileSync, writeFileSync } = await import('node:fs');
  if (output !== '-' && options.force !== true && existsSync(output)) {
    throw usageError(`${output} is already there`, 'overwrite it with --force, or name another with --output');
  }
  const answers = await complete(options);
  const { initialConfig, SCHEMA_FILE, variablesOf } = await import('./init-template.ts');
  const text = initialConfig(answers);
  const variables = variablesOf(answers);
  await assertValid(text, variables);
  if (output === '-') return { result: { file: null, config: text }, text };
  writeFileSync(output, text, { flag: options.force === true ? 'w' : 'wx' });
  const schema = join(dirname(output), SCHEMA_FILE);
  writeFileSync(schema, readFileSync(new URL(`../../schema/${SCHEMA_FILE}`, import.meta.url)));
  if (options.quiet !== true && options.json !== true) {
    const names = Object.keys(variables);
    const next = `Next: set ${names.join(' and ')}, then "sluice doctor" and "sluice run".`;
    terminal.message(`${terminal.paintMessage('green', 'written')}: ${output}, and ${schema} for editors\n${next}\n`);
  }
  return { result: { file: output, schema, pipeline: answers.pipeline, variables: Object.keys(variables) } };
}

async function complete(options: InitOptions & GlobalOptions): Promise<InitAnswers> {
  const asks = process.stdin.isTTY && process.stderr.isTTY && options.json !== true;
  const { answersOf, askFor } = await import('./init-questions.ts');
  return asks ? askFor(options) : answersOf(options);
}

/** What is written must pass the check that the user runs next; what an option got wrong is told by that check. */
async function assertValid(text: string, env: Readonly<Record<string, string>>): Promise<void> {
  const [{ checkConfigText }, { registry }] = await Promise.all([
    import('../config/load.ts'),
    import('../connectors/registry.ts'),
  ]);
  checkConfigText(text, { file: 'sluice.yaml', registry, env });
}
