import type { Command } from 'commander';
import { asSluiceError, SluiceError } from '../core/failure.ts';
import { EXIT, exitCodeOf } from './exit-code.ts';
import { maskedJson, masker, printFailure, reportFailure } from './failure-output.ts';
import { processTerminal, type Terminal } from './terminal.ts';

/** Options of every command. */
export interface GlobalOptions {
  readonly config?: string | undefined;
  readonly json?: boolean | undefined;
  readonly color: boolean;
  readonly quiet?: boolean | undefined;
  readonly verbose?: boolean | undefined;
}

/** The configuration file of a call. */
export function configFileOf({ config }: GlobalOptions): string {
  return config === undefined || config === '' ? DEFAULT_CONFIG_FILE : config;
}

/** The configuration file when nothing else is said. */
export const DEFAULT_CONFIG_FILE = 'sluice.yaml';

/** One call of a command. */
export interface Invocation<Options> {
  /** `dlq list` */
  readonly command: string;
  readonly options: Options & GlobalOptions;
  /** Positional arguments; a variadic one is an array. */
  readonly args: readonly unknown[];
  readonly terminal: Terminal;
  readonly env: NodeJS.ProcessEnv;
  /** Values that must not be printed from now on, whatever happens. */
  hide(secrets: readonly string[]): void;
}

/** What a command hands back for printing. */
export interface Outcome {
  /** 0 when left out. */
  readonly exitCode?: number | undefined;
  /** Data for `--json`; without it nothing is printed there. */
  readonly result?: unknown;
  /** The same for people, on stdout. */
  readonly text?: string | undefined;
  /** True for documents of the user: they are shown as they are, whatever they contain. */
  readonly verbatim?: boolean | undefined;
}

/** Turns a handler into the action of a command: prints its outcome or failure once and sets the exit code. */
export function action<Options>(
  handler: (invocation: Invocation<Options>) => Promise<Outcome>,
): (...received: unknown[]) => Promise<void> {
  return async (...received) => {
    const command = received.at(-1) as Command;
    const options = command.optsWithGlobals<Options & GlobalOptions>();
    const name = commandPath(command);
    const { env } = process;
    const terminal = processTerminal({ color: options.color, env });
    const secrets: string[] = [];
    const hide = (more: readonly string[]) => void secrets.push(...more);
    try {
      const outcome = await handler({ command: name, options, args: received.slice(0, -2), terminal, env, hide });
      const mask = outcome.verbatim === true ? (text: string) => text : masker(secrets);
      await printOutcome(outcome, { name, json: options.json === true, terminal, mask });
      process.exitCode = outcome.exitCode ?? EXIT.ok;
    } catch (error) {
      const mask = masker(secrets);
      if (options.json) {
        await terminal.data(maskedJson({ ok: false, command: name, error: reportFailure(error) }, mask));
      } else printFailure(error, terminal, mask);
      process.exitCode = exitCodeOf(asSluiceError(error).kind);
    }
  };
}

interface Printing {
  readonly name: string;
  readonly json: boolean;
  readonly terminal: Terminal;
  readonly mask: (text: string) => string;
}

async function printOutcome(outcome: Outcome, { name, json, terminal, mask }: Printing): Promise<void> {
  const { exitCode = EXIT.ok, result, text } = outcome;
  if (!json && text !== undefined) await terminal.data(mask(text));
  if (json && result !== undefined)
    await terminal.data(maskedJson({ ok: exitCode === EXIT.ok, command: name, result }, mask));
}

/** One line of JSON. */
export function envelope(content: object): string {
  return `${JSON.stringify(content)}\n`;
}

/** A mistake in how a command was called. */
export function usageError(message: string, hint?: string): SluiceError {
  return new SluiceError(message, { kind: 'config', code: 'cli.usage', hint });
}

function commandPath(command: Command): string {
  const { parent } = command;
  return parent === null || parent.parent === null ? command.name() : `${commandPath(parent)} ${command.name()}`;
}
