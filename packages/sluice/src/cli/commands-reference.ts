/** The help of one command, as `--help` prints it. */
export interface CommandHelp {
  /** `sluice dlq list` */
  readonly command: string;
  readonly help: string;
}

const INTRODUCTION = `# Commands

What \`--help\` of each command says. Data goes to stdout, everything else to stderr. This page is made from the help
texts, which the tests compare with the program.`;

const CODES = [
  ['0', 'ok; also a stop by one signal that delivered everything'],
  ['1', 'a bug of Sluice'],
  ['2', 'wrong usage or configuration'],
  ['3', 'the environment: unreachable, refused, position lost, taken over by another process'],
  ['4', 'an assertion failed: `dlq replay` did not deliver all, or a snapshot that was followed was cancelled'],
  ['130, 143', 'stopped by SIGINT or SIGTERM before everything in flight was delivered'],
] as const;

/** The reference page of all commands, in the order given; the first is the program itself. */
export function commandsReference(helps: readonly CommandHelp[]): string {
  const [program] = helps;
  if (program === undefined) throw new TypeError('no help texts');
  const sections = helps.slice(1).map(({ command, help }) => `## \`${command}\`\n\n${fence(withoutGlobals(help))}`);
  const codes = CODES.map(([code, meaning]) => `| ${code} | ${meaning} |`).join('\n');
  return [
    INTRODUCTION,
    fence(program.help),
    `**Exit codes**\n\n| code | meaning |\n| --- | --- |\n${codes}`,
    'The global options above go with every command below.',
    ...sections,
  ]
    .join('\n\n')
    .concat('\n');
}

function fence(text: string): string {
  return `\`\`\`text\n${text.trim()}\n\`\`\``;
}

/** The help without the block of global options, which is the same everywhere. */
function withoutGlobals(help: string): string {
  return help.replace(/^Global Options:\n(?: +\S.*\n?)+\n?/m, '');
}
