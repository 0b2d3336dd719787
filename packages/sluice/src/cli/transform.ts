import type { Command } from 'commander';
import { action } from './action.ts';
import { describedCommand } from './help.ts';

/** Options of `sluice transform test`. */
export interface TransformTestOptions {
  readonly pipeline?: string | undefined;
}

/** `sluice transform` */
export function transformCommand(): Command {
  return describedCommand({
    name: 'transform',
    summary: 'try the transforms of a pipeline on captured events',
    examples: [
      ['sluice tail orders --json --limit 20 > events.jsonl', 'capture twenty changes'],
      ['sluice transform test events.jsonl', 'see what the transforms make of them'],
    ],
  }).addCommand(testCommand());
}

function testCommand(): Command {
  return describedCommand({
    name: 'test',
    summary: 'show what the transforms make of the events in a file',
    description:
      'Runs the transforms of a pipeline over events as "sluice tail --json" prints them (one on each line, or a JSON ' +
      'array) and shows for each what comes out, or why nothing does. Touches no other system. A module of the ' +
      'pipeline does run. Exit code 4 when an event was rejected.',
    examples: [
      ['sluice transform test events.jsonl', 'the pipeline of sluice.yaml'],
      ['sluice transform test events.jsonl --pipeline orders --json', 'as JSON'],
    ],
  })
    .argument('<file>', 'the events; - for standard input')
    .option('-p, --pipeline <name>', 'the pipeline; needed when the configuration has several')
    .action(
      action<TransformTestOptions>(async (invocation) => {
        const { tryTransforms } = await import('./try-transforms.ts');
        return tryTransforms(invocation);
      }),
    );
}
