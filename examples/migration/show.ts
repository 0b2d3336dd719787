/* What the example prints. */

const INDENT = '    ';
let steps = 0;

/** Begins a step. */
export function step(title: string): void {
  steps += 1;
  print(`\n${steps}. ${title}\n`);
}

/** A command as a person types it. */
export function command(words: readonly string[], variables: Readonly<Record<string, string>> = {}): void {
  const set = Object.entries(variables).map(([name, value]) => `${name}=${value} `);
  print(`${INDENT}$ ${set.join('')}sluice ${words.join(' ')}\n`);
}

/** What a command printed. */
export function output(text: string): void {
  const lines = text.trimEnd().split('\n');
  print(lines.map((line) => `${line.trim() === '' ? '' : INDENT}${line}\n`).join(''));
}

/** A sentence between the commands. */
export function say(text: string): void {
  print(`${INDENT}${text}\n`);
}

/** Prints what was found out; throws, and so ends the example, when it is not as it must be. */
export function check(holds: boolean, text: string): void {
  if (!holds) throw new Error(`not as it must be: ${text}`);
  print(`${INDENT}✓ ${text}\n`);
}

/** The same for a number. */
export function checkCount(found: number, expected: number, what: string): void {
  if (found !== expected) throw new Error(`${what}: ${found} instead of ${expected}`);
  check(true, `${what}: ${found}`);
}

function print(text: string): void {
  process.stdout.write(text);
}
