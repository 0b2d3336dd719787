import { type Command, Option } from 'commander';
import { action } from './action.ts';
import { describedCommand } from './help.ts';
import { IMPORT_SOURCES, type ImportOptions, type ImportSource } from './import-options.ts';

/** Options of `sluice run`. */
export interface RunOptions extends ImportOptions {
  readonly http: boolean;
  /** The tool whose configuration is run instead of our own. */
  readonly from?: ImportSource | undefined;
}

/** `sluice run` */
export function runCommand(): Command {
  return describedCommand({
    name: 'run',
    summary: 'run the pipelines until stopped',
    description:
      'Runs the pipelines of the configuration until Ctrl-C or SIGTERM. What is in flight is then delivered and the ' +
      'checkpoint saved; a second Ctrl-C stops at once. Failures of the environment are retried for ever; a pipeline ' +
      'that needs a person stops with an error, the others go on. A pipeline with "snapshot: only" ends when all is copied.',
    examples: [
      ['sluice run', 'run all pipelines of sluice.yaml'],
      ['sluice run orders -c prod.yaml', 'run one of them'],
      ['sluice run --from nats-connector connector.yaml', 'run what another tool is set up for'],
    ],
  })
    .argument('[pipelines...]', 'names of the pipelines to run; all without. With --from: the file of that tool')
    .option('--no-http', 'no HTTP endpoint')
    .addOption(new Option('--from <tool>', 'run the configuration of another tool').choices([...IMPORT_SOURCES]))
    .option('--brokers <list>', 'with --from kafka-connect: brokers as host:port, separated by commas')
    .option('--worker <file>', "with --from kafka-connect: the worker's properties")
    .action(
      action<RunOptions>(async (invocation) => {
        const { run } = await import('./run-pipelines.ts');
        return run(invocation);
      }),
    );
}
