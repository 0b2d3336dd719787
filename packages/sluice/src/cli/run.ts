import type { Command } from 'commander';
import { action } from './action.ts';
import { describedCommand } from './help.ts';

/** Options of `sluice run`. */
export interface RunOptions {
  readonly http: boolean;
}

/** `sluice run` */
export function runCommand(): Command {
  return describedCommand({
    name: 'run',
    summary: 'run the pipelines until stopped',
    description:
      'Runs the pipelines of the configuration until Ctrl-C or SIGTERM. What is in flight is then delivered and the ' +
      'checkpoint saved; a second Ctrl-C stops at once. Failures of the environment are retried for ever; a pipeline ' +
      'that needs a person stops with an error, the others go on.',
    examples: [
      ['sluice run', 'run all pipelines of sluice.yaml'],
      ['sluice run orders -c prod.yaml', 'run one of them'],
    ],
  })
    .argument('[pipelines...]', 'names of the pipelines to run; all without')
    .option('--no-http', 'no HTTP endpoint')
    .action(
      action<RunOptions>(async (invocation) => {
        const { run } = await import('./run-pipelines.ts');
        return run(invocation);
      }),
    );
}
