import { Command, type Help } from 'commander';

/** What a command's help says besides its options. */
export interface CommandDescription {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Sentences for the command's own help; the summary when left out. */
  readonly description?: string;
  /** Calls with what they do, shown first. */
  readonly examples: readonly (readonly [call: string, what: string])[];
}

/** A command whose help leads with examples, in the house style. */
export function describedCommand({ name, summary, description, examples }: CommandDescription): Command {
  const command = new Command(name).summary(summary).description(description ?? summary);
  return styled(command).addHelpText('before', examplesText(examples));
}

/** The house style for the help of a command. */
export function styled(command: Command): Command {
  return command
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false, helpWidth: HELP_WIDTH } satisfies Partial<Help>)
    .helpOption('-h, --help', 'show this help');
}

const HELP_WIDTH = 100;

/** The examples as a block of help text. */
export function examplesText(examples: CommandDescription['examples']): string {
  const width = Math.max(...examples.map(([call]) => call.length));
  const lines = examples.map(([call, what]) => `  ${call.padEnd(width)}  ${what}`);
  return `Examples:\n${lines.join('\n')}\n`;
}
