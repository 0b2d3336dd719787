import type { Command } from 'commander';
import { action } from './action.ts';
import { describedCommand } from './help.ts';
import { loadCalled } from './load.ts';

interface ValidateOptions {
  readonly print?: boolean | undefined;
}

/** `sluice validate` */
export function validateCommand(): Command {
  return describedCommand({
    name: 'validate',
    summary: 'check the configuration file; touches no other system',
    description:
      'Checks the configuration file: keys, types, references, secrets, contradictions. Every problem is shown with ' +
      'its line. Touches no other system; for that there is "sluice doctor".',
    examples: [
      ['sluice validate', 'check sluice.yaml'],
      ['sluice validate -c prod.yaml --print', 'show the effective configuration, secrets as ***'],
    ],
  })
    .option('--print', 'print the effective configuration with all defaults; secrets are masked')
    .action(
      action<ValidateOptions>(async (invocation) => {
        const loaded = await loadCalled(invocation);
        const { config, file } = loaded;
        const pipelines = config.pipelines.map(({ name }) => name);
        if (invocation.options.print !== true) {
          const ok = invocation.terminal.paint('green', 'ok');
          const text = `${ok}: ${file} (${pipelines.length === 1 ? 'pipeline' : 'pipelines'} ${pipelines.join(', ')})\n`;
          return { result: { file, pipelines }, text };
        }
        const { printConfig, printableConfig } = await import('../config/print.ts');
        const { registry } = await import('../connectors/registry.ts');
        return {
          result: { file, pipelines, config: printableConfig(loaded.effective, registry) },
          text: printConfig(loaded.effective, registry),
        };
      }),
    );
}
