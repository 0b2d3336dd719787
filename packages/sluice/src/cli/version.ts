import type { Command } from 'commander';
import { action } from './action.ts';
import { describedCommand } from './help.ts';
import { packageVersion } from './package-version.ts';

/** `sluice version` */
export function versionCommand(): Command {
  return describedCommand({
    name: 'version',
    summary: 'show the version',
    examples: [['sluice version', 'this version and the Node.js it runs on']],
  }).action(
    action(async () => {
      const version = packageVersion();
      const { node } = process.versions;
      return { result: { version, node }, text: `sluice ${version} (Node.js ${node})\n` };
    }),
  );
}
