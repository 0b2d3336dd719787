import { type Command, Option } from 'commander';
import { action } from './action.ts';
import { describedCommand } from './help.ts';

/** Options of `sluice tail`. */
export interface TailOptions {
  readonly uri?: string | undefined;
  readonly include?: readonly string[] | undefined;
  readonly limit?: string | undefined;
  readonly for?: string | undefined;
  readonly from: string;
  readonly format?: 'change' | 'document' | 'debezium' | 'cloudevents' | undefined;
}

/** `sluice tail` */
export function tailCommand(): Command {
  return describedCommand({
    name: 'tail',
    summary: 'show changes as they pass',
    description:
      'Reads the source of a pipeline, or of --uri, and shows its changes until Ctrl-C. Keeps no checkpoint and ' +
      'disturbs no running pipeline. With --json or --format: one record per line, otherwise one readable line each.',
    examples: [
      ['sluice tail orders', 'the changes that pipeline "orders" reads'],
      ['sluice tail --limit 10 --from 2026-01-31T12:00:00Z', 'ten changes from a time on'],
      ["sluice tail --uri mongodb://localhost --include 'shop.*'", 'without a configuration'],
      ['sluice tail --format debezium | head -1', "a record as the pipeline's sink would get it"],
    ],
  })
    .argument('[pipeline]', 'the pipeline; needed when the configuration has several')
    .option('--uri <uri>', 'read this deployment; a password in it must be ${env:NAME} or ${file:path}')
    .option('--include <patterns...>', 'what to read, as patterns over database.collection')
    .option('--limit <n>', 'end after so many changes')
    .option('--for <duration>', 'end after this time, such as 10s')
    .option('--from <time>', 'now, an ISO time with its zone, or "seconds,increment" of a cluster time', 'now')
    .addOption(
      new Option('--format <name>', 'print records of this format').choices([
        'change',
        'document',
        'debezium',
        'cloudevents',
      ]),
    )
    .action(
      action<TailOptions>(async (invocation) => {
        const { tail } = await import('./tail-source.ts');
        return tail(invocation);
      }),
    );
}
