import type { Command } from 'commander';
import { action } from './action.ts';
import { describedCommand } from './help.ts';
import { httpUrl } from './http-url.ts';

/** Options of `sluice status`. */
export interface StatusOptions {
  readonly url?: string | undefined;
  readonly watch?: boolean | undefined;
}

/** `sluice status` */
export function statusCommand(): Command {
  return describedCommand({
    name: 'status',
    summary: 'state, rate and lag of the running pipelines',
    description:
      'Asks the HTTP endpoint of a running "sluice run": by default the one in the configuration. Where that needs a ' +
      'token, it is taken from the configuration or from SLUICE_TOKEN. Exit code 3 when nobody answers.',
    examples: [
      ['sluice status', 'the pipelines of the process that runs here'],
      ['sluice status --watch', 'the same every two seconds, until Ctrl-C'],
      ['sluice status orders --url http://10.0.0.5:8380', 'one pipeline of another machine'],
    ],
  })
    .argument('[pipelines...]', 'names of the pipelines to show; all without')
    .option('--url <url>', 'address of the endpoint', httpUrl)
    .option('--watch', 'show it again every two seconds')
    .action(
      action<StatusOptions>(async (invocation) => {
        const { showStatus } = await import('./show-status.ts');
        return showStatus(invocation);
      }),
    );
}
