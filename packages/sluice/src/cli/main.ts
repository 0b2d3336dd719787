import { Command, CommanderError, Option } from 'commander';
import { DEFAULT_CONFIG_FILE, envelope } from './action.ts';
import { EXIT } from './exit-code.ts';
import { examplesText, styled } from './help.ts';
import { packageVersion } from './package-version.ts';

/** A command as the list of commands shows it; its module is loaded only when it is called. */
interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<Command>;
}

const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'demo',
    summary: 'a real MongoDB, live writes and their changes; nothing to install, nothing left behind',
    load: async () => (await import('./demo.ts')).demoCommand(),
  },
  {
    name: 'init',
    summary: 'write a commented sluice.yaml to start from',
    load: async () => (await import('./init.ts')).initCommand(),
  },
  {
    name: 'validate',
    summary: 'check the configuration file; touches no other system',
    load: async () => (await import('./validate.ts')).validateCommand(),
  },
  {
    name: 'doctor',
    summary: 'check the systems behind the configuration and tell the fix for each finding',
    load: async () => (await import('./doctor.ts')).doctorCommand(),
  },
  {
    name: 'run',
    summary: 'run the pipelines until stopped',
    load: async () => (await import('./run.ts')).runCommand(),
  },
  {
    name: 'status',
    summary: 'state, rate and lag of the running pipelines',
    load: async () => (await import('./status.ts')).statusCommand(),
  },
  {
    name: 'snapshot',
    summary: 'copy what is there, beside the running stream; pause, resume or cancel it',
    load: async () => (await import('./snapshot.ts')).snapshotCommand(),
  },
  {
    name: 'schema',
    summary: 'fields and types that a pipeline has learned, and what changed',
    load: async () => (await import('./schema.ts')).schemaCommand(),
  },
  {
    name: 'tail',
    summary: 'show changes as they pass',
    load: async () => (await import('./tail.ts')).tailCommand(),
  },
  {
    name: 'transform',
    summary: 'try the transforms of a pipeline on captured events',
    load: async () => (await import('./transform.ts')).transformCommand(),
  },
  {
    name: 'dlq',
    summary: 'list, show, replay or drop dead letters',
    load: async () => (await import('./dlq.ts')).dlqCommand(),
  },
  {
    name: 'import',
    summary: 'make a sluice.yaml from the configuration of another tool',
    load: async () => (await import('./import.ts')).importCommand(),
  },
  {
    name: 'version',
    summary: 'show the version',
    load: async () => (await import('./version.ts')).versionCommand(),
  },
];

const EXAMPLES = [
  ['sluice demo', 'see it work: a MongoDB of its own, nothing to install'],
  ['sluice init && sluice doctor', 'write sluice.yaml, then check the systems in it'],
  ['sluice run', 'run the pipelines of sluice.yaml'],
  ['sluice tail orders --limit 10', 'look at ten changes'],
] as const;

/** After this time, what still holds the process open (a call that hangs in the system) no longer does. */
const EXIT_PATIENCE_MS = 2_000;

/**
 * Runs the command line. The exit code is left in `process.exitCode`; only the module of the called command is loaded,
 * and no client library before a command needs it.
 */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    // A reader that has seen enough (`sluice --help | head`) ends the output, not the process with a stack trace.
    process.stdout.on('error', ignoreClosedPipe);
    const program = await buildProgram(argv);
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.config;
    if (error.exitCode !== 0 && argv.includes('--json')) {
      const message = error.message.replace(/^error: /, '');
      process.stdout.write(envelope({ ok: false, command: 'sluice', error: { code: 'cli.usage', message } }));
    }
  }
  setTimeout(() => process.exit(), EXIT_PATIENCE_MS).unref();
}

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

async function buildProgram(argv: readonly string[]): Promise<Command> {
  const program = styled(new Command('sluice'))
    .description('Change data capture for MongoDB, and the worker behind the broker.')
    .usage('[options] <command>')
    .version(packageVersion(), '-V, --version', 'show the version')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('before', examplesText(EXAMPLES))
    .addHelpText('after', EXIT_CODES)
    .addOption(
      new Option('-c, --config <file>', 'configuration file').env('SLUICE_CONFIG').default(DEFAULT_CONFIG_FILE),
    )
    .option('--json', 'print one JSON object instead of text')
    .option('--no-color', 'no colours (also with NO_COLOR set)')
    .option('-q, --quiet', 'only data and errors')
    .option('-v, --verbose', 'log more');
  for (const entry of COMMANDS) {
    const called = argv.includes(entry.name);
    program.addCommand(called ? styled(await entry.load()) : new Command(entry.name).summary(entry.summary));
  }
  return quietUsage(program, argv);
}

const EXIT_CODES = `
Exit codes: 0 ok, 1 a bug of sluice, 2 usage or configuration, 3 environment (unreachable, refused),
4 an assertion failed, 130/143 stopped by a signal before everything in flight was delivered.
`;

/** Makes commander throw instead of exiting, everywhere; with `--json` its message goes into the envelope alone. */
function quietUsage(command: Command, argv: readonly string[]): Command {
  command.exitOverride().showSuggestionAfterError();
  if (argv.includes('--json')) command.configureOutput({ outputError: () => {} });
  else command.showHelpAfterError(`Run "sluice ${commandWords(command)}--help" for how to use it.`);
  for (const subcommand of command.commands) quietUsage(subcommand, argv);
  return command;
}

function commandWords(command: Command): string {
  return command.parent === null ? '' : `${commandWords(command.parent)}${command.name()} `;
}

if (import.meta.main) await main(process.argv.slice(2));
