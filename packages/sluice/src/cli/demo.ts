import { Command, InvalidArgumentError } from 'commander';
import { action } from './action.ts';

/** Options of `sluice demo`. */
export interface DemoOptions {
  readonly events?: number | undefined;
  readonly to: 'terminal' | 'kafka';
  readonly rate: number;
  readonly listen: string;
}

const EXAMPLES = `
Examples:
  sluice demo                          watch changes until Ctrl-C
  sluice demo --events 200             stop by itself after 200 changes, with a summary
  sluice demo --events 1000 --json     the summary as one line of JSON
  sluice demo --to kafka --events 500  through a real Kafka
`;

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1_000_000)
    throw new InvalidArgumentError('a whole number from 1.');
  return value;
}

function target(text: string): DemoOptions['to'] {
  if (text === 'terminal' || text === 'kafka') return text;
  throw new InvalidArgumentError('terminal or kafka.');
}

/** `sluice demo`: a MongoDB of its own, a small shop that writes to it, and its changes arriving. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('Shows changes arriving: starts a MongoDB of its own, writes to it, leaves nothing behind.')
    .option('--events <n>', 'end after so many changes, with a summary', wholeNumber)
    .option('--to <target>', 'where the changes go: terminal or kafka', target, 'terminal')
    .option('--rate <n>', 'writes per second', wholeNumber, 20)
    .option('--listen <address>', 'address of the HTTP endpoint; port 0 takes a free one', '127.0.0.1:0')
    .addHelpText('after', EXAMPLES)
    .action(
      action<DemoOptions>(async (invocation) => {
        const { runDemo } = await import('./demo-run.ts');
        return runDemo(invocation);
      }),
    );
}
