import { type Command, Option } from 'commander';
import { action } from './action.ts';
import { describedCommand } from './help.ts';
import { httpUrl } from './http-url.ts';

/** Options of `sluice snapshot`. */
export interface SnapshotOptions {
  readonly url?: string | undefined;
  readonly collections?: string | undefined;
  readonly filter?: string | undefined;
  readonly pause?: boolean | undefined;
  readonly resume?: boolean | undefined;
  readonly cancel?: boolean | undefined;
  readonly wait: boolean;
}

/** `sluice snapshot` */
export function snapshotCommand(): Command {
  return describedCommand({
    name: 'snapshot',
    summary: 'copy what is there, beside the running stream; pause, resume or cancel it',
    description:
      'Tells a running pipeline to copy collections once more while its stream goes on, and follows the copy until it ' +
      'is complete. It asks the HTTP endpoint of "sluice run", like "sluice status". Ctrl-C ends the following, not ' +
      'the copy. Exit code 2 when the pipeline refuses, 3 when nobody answers, 4 when the copy was cancelled.',
    examples: [
      ['sluice snapshot orders', 'copies everything that the pipeline covers'],
      ["sluice snapshot orders --collections 'shop.orders,shop.item*'", 'only these collections'],
      [`sluice snapshot orders --collections shop.orders --filter '{"status": "open"}'`, 'only these documents'],
      ['sluice snapshot orders --pause', 'and --resume, --cancel: the copy that runs'],
    ],
  })
    .argument('<pipeline>', 'name of the pipeline')
    .option('--collections <patterns>', 'what to copy, as patterns over database.collection, separated by commas')
    .option('--filter <json>', 'only documents that match this query (Extended JSON)')
    .addOption(
      new Option('--pause', 'stop copying for now; the stream goes on').conflicts(['resume', 'cancel', ...START]),
    )
    .addOption(new Option('--resume', 'go on copying').conflicts(['cancel', ...START]))
    .addOption(new Option('--cancel', 'give the copy up; what was copied stays').conflicts(START))
    .option('--no-wait', 'do not follow the copy')
    .option('--url <url>', 'address of the endpoint', httpUrl)
    .action(
      action<SnapshotOptions>(async (invocation) => {
        const { snapshot } = await import('./control-snapshot.ts');
        return snapshot(invocation);
      }),
    );
}

const START = ['collections', 'filter'];
