import type { Command } from 'commander';
import { action } from './action.ts';
import { describedCommand } from './help.ts';

/** Options of every `sluice dlq …`. */
export interface DlqOptions {
  readonly pipeline?: string | undefined;
  readonly limit?: string | undefined;
  readonly all?: boolean | undefined;
  readonly yes?: boolean | undefined;
}

/** `sluice dlq` */
export function dlqCommand(): Command {
  return describedCommand({
    name: 'dlq',
    summary: 'list, show, replay or drop dead letters',
    description: 'Works on the dead letters of a pipeline: events that could never be delivered, with the reason.',
    examples: [
      ['sluice dlq list', 'what there is, oldest first'],
      ['sluice dlq show 3f2a91c0', 'one of them with its event'],
      ['sluice dlq replay --all', 'deliver them again, in order'],
    ],
  })
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(replayCommand())
    .addCommand(dropCommand());
}

const PIPELINE_OPTION = ['-p, --pipeline <name>', 'the pipeline; needed when the configuration has several'] as const;

function listCommand(): Command {
  return describedCommand({
    name: 'list',
    summary: 'list dead letters, oldest first',
    examples: [['sluice dlq list --limit 20', 'the twenty oldest']],
  })
    .option(...PIPELINE_OPTION)
    .option('--limit <n>', 'show at most so many')
    .action(
      action<DlqOptions>(async (invocation) => {
        const { listLetters } = await import('./dlq-read.ts');
        return listLetters(invocation);
      }),
    );
}

function showCommand(): Command {
  return describedCommand({
    name: 'show',
    summary: 'show one dead letter with its event',
    description:
      'Shows why the event could not be delivered, and the event as Extended JSON; one that cannot be read as that is ' +
      'shown as hex, with what is wrong with it.',
    examples: [['sluice dlq show 3f2a91c0', 'by the short reference of "dlq list", or by the whole event id']],
  })
    .argument('<id>', 'reference or event id')
    .option(...PIPELINE_OPTION)
    .action(
      action<DlqOptions>(async (invocation) => {
        const { showLetter } = await import('./dlq-read.ts');
        return showLetter(invocation);
      }),
    );
}

function replayCommand(): Command {
  return describedCommand({
    name: 'replay',
    summary: 'deliver dead letters again, in order',
    description:
      "Writes the events through the pipeline's sink, oldest first, at least once, and removes what was delivered. " +
      'What is rejected again stays, with one attempt more. A replayed event is older than what was delivered since: ' +
      'a sink that only keeps the last state of a document goes back to it. Exit code 4 when not all were delivered.',
    examples: [
      ['sluice dlq replay 3f2a91c0', 'one of them'],
      ['sluice dlq replay --all', 'all of them'],
    ],
  })
    .argument('[ids...]', 'references or event ids')
    .option('--all', 'all dead letters of the pipeline')
    .option(...PIPELINE_OPTION)
    .action(
      action<DlqOptions>(async (invocation) => {
        const { replayLetters } = await import('./dlq-replay.ts');
        return replayLetters(invocation);
      }),
    );
}

function dropCommand(): Command {
  return describedCommand({
    name: 'drop',
    summary: 'remove dead letters for good',
    description: 'Removes dead letters without delivering them. They are lost to the sink, so it asks for --yes.',
    examples: [['sluice dlq drop 3f2a91c0 --yes', 'one of them']],
  })
    .argument('[ids...]', 'references or event ids')
    .option('--all', 'all dead letters of the pipeline')
    .option('--yes', 'really remove them; without, only tell which')
    .option(...PIPELINE_OPTION)
    .action(
      action<DlqOptions>(async (invocation) => {
        const { dropLetters } = await import('./dlq-drop.ts');
        return dropLetters(invocation);
      }),
    );
}
