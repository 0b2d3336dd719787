import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { assertGolden } from '../testing/golden.ts';
import { type CommandHelp, commandsReference } from './commands-reference.ts';

const GOLDEN = resolve(import.meta.dirname, 'golden');
const PAGE = resolve(import.meta.dirname, '../../../../docs/reference/commands.md');

/** The help texts that the tests compare with the program, in the order in which the help lists the commands. */
function goldenHelps(): CommandHelp[] {
  const helps = readdirSync(GOLDEN)
    .filter((file) => /^sluice[a-z-]*\.txt$/.test(file))
    .map((file) => ({
      command: file.replace('.txt', '').replaceAll('-', ' '),
      help: readFileSync(resolve(GOLDEN, file), 'utf8'),
    }));
  const listed = helps.flatMap(({ help }) => commandsIn(help));
  const place = ({ command }: CommandHelp) => command.split(' ').map((word) => listed.indexOf(word));
  return helps.sort((a, b) => comparePlaces(place(a), place(b)));
}

/** The names below `Commands:`. */
function commandsIn(help: string): string[] {
  const [, list = ''] = help.split(/^Commands:\n/m);
  return [...list.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name);
}

function comparePlaces(a: readonly number[], b: readonly number[]): number {
  const differing = a.findIndex((place, index) => place !== b[index]);
  return differing < 0 ? a.length - b.length : (a[differing] ?? -1) - (b[differing] ?? -1);
}

test('the commands page is that of the help texts', () => {
  const helps = goldenHelps();
  assert.deepEqual(
    helps.slice(0, 3).map(({ command }) => command),
    ['sluice', 'sluice demo', 'sluice init'],
  );
  assertGolden(PAGE, commandsReference(helps));
});

test('a page has the global options once', () => {
  const options = 'Global Options:\n  -q, --quiet  only data\n               and errors\n\n';
  const page = commandsReference([
    { command: 'sluice', help: `Usage: sluice\n\n${options}` },
    { command: 'sluice run', help: `Usage: sluice run\n\n${options}Commands:\n  x\n` },
  ]);
  assert.equal(page.match(/Global Options/g)?.length, 1);
  assert.match(page, /Usage: sluice run\n\nCommands:\n {2}x\n```/);
});
