import type { Command } from 'commander';
import { action } from './action.ts';
import { describedCommand } from './help.ts';

/** Options of `sluice doctor`. */
export interface DoctorOptions {
  readonly timeout: string;
}

/** `sluice doctor` */
export function doctorCommand(): Command {
  return describedCommand({
    name: 'doctor',
    summary: 'check the systems behind the configuration and tell the fix for each finding',
    description:
      'Checks the configuration, then the systems behind it: reachability, versions, privileges, images, oplog ' +
      'window, topics. Leaves nothing behind. Exit code 0 with warnings, 2 for the configuration, 3 when a system is not as ' +
      'it must be.',
    examples: [
      ['sluice doctor', 'check all pipelines of sluice.yaml'],
      ['sluice doctor orders --timeout 30s', 'check one, with more patience'],
    ],
  })
    .argument('[pipelines...]', 'names of the pipelines to check; all without')
    .option('--timeout <duration>', 'longest time for one check', '10s')
    .action(
      action<DoctorOptions>(async (invocation) => {
        const { doctor } = await import('./check-pipelines.ts');
        return doctor(invocation);
      }),
    );
}
