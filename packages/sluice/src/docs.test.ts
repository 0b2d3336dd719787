/*
 * The documentation against the program: links lead somewhere, commands have the options they are shown with, and every
 * piece of configuration passes the real checks. A YAML block is a whole configuration (it has `version`) or a part of
 * one; YAML of other programs says so in its fence (```yaml kubernetes).
 */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { Command } from 'commander';
import { parse } from 'yaml';
import { checkConfigText } from './config/load.ts';
import { registry } from './connectors/registry.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const CLI = resolve(import.meta.dirname, 'cli');
const PAGES = globSync(['*.md', 'docs/**/*.md', 'examples/**/*.md', 'deploy/**/*.md'], { cwd: ROOT }).sort();
/** Files of Docker Compose are no configurations. */
const isCompose = (file: string) => /(^|\/)compose[^/]*\.yaml$/.test(file);
const EXAMPLES = globSync('examples/**/*.yaml', { cwd: ROOT })
  .filter((file) => !isCompose(file))
  .sort();

interface Block {
  readonly language: string;
  readonly text: string;
}

function read(page: string): string {
  return readFileSync(resolve(ROOT, page), 'utf8');
}

function blocksOf(page: string): Block[] {
  const fences = read(page).matchAll(/^( *)```([^\n]*)\n(.*?)^\1```$/gms);
  return [...fences].map(([, , language = '', text = '']) => ({ language: language.trim(), text }));
}

function withoutBlocks(page: string): string {
  return read(page).replace(/^( *)```.*?^\1```$/gms, '');
}

// ---- links

/** The anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

function brokenLinks(page: string): string[] {
  const targets = [...withoutBlocks(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets.filter((target) => !/^[a-z]+:/.test(target) && !leadsSomewhere(page, target));
}

function leadsSomewhere(page: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : relative(ROOT, resolve(ROOT, dirname(page), path));
  if (!existsSync(resolve(ROOT, file))) return false;
  if (anchor === undefined || statSync(resolve(ROOT, file)).isDirectory()) return anchor === undefined;
  return [...withoutBlocks(file).matchAll(/^#+ (.*)$/gm)].some(([, heading = '']) => anchorOf(heading) === anchor);
}

test('links of the documentation lead somewhere', () => {
  assert.ok(PAGES.length > 10, 'the pages were found');
  const broken = PAGES.flatMap((page) => brokenLinks(page).map((link) => `${page}: ${link}`));
  assert.deepEqual(broken, []);
});

// ---- commands

/** The real commands without what they do; the global options are those of the help text. */
async function program(): Promise<Command> {
  const help = readFileSync(resolve(CLI, 'golden/sluice.txt'), 'utf8');
  const [, options = '', commands = ''] = /^Options:\n(.*?)^Commands:\n(.*?)\n\n/ms.exec(help) ?? [];
  const root = new Command('sluice');
  for (const [, flags = ''] of options.matchAll(/^ {2}(-\S+(?: \S+)*)/gm)) if (!/help/.test(flags)) root.option(flags);
  for (const [, name = ''] of commands.matchAll(/^ {2}([a-z]+)/gm)) {
    if (name !== 'help') root.addCommand(await commandNamed(name));
  }
  return inert(root);
}

async function commandNamed(name: string): Promise<Command> {
  const module = (await import(`./cli/${name}.ts`)) as Readonly<Record<string, () => Command>>;
  const make = module[`${name}Command`];
  if (make === undefined) throw new Error(`cli/${name}.ts has no ${name}Command`);
  return make();
}

function inert(command: Command): Command {
  command.exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} });
  if (command.commands.length === 0) command.action(() => {});
  for (const inner of command.commands) inert(inner);
  return command;
}

/** Words of a shell command; quotes and backslashes are taken away, what follows a pipe or `&&` is another command. */
function shellCommands(script: string): string[][] {
  const commands: string[][] = [];
  for (const line of script.replace(/\\\n/g, ' ').split('\n')) {
    let words: string[] = [];
    commands.push(words);
    for (const [token] of line.matchAll(/(?:'[^']*'|"[^"]*"|\\.|[^\s'"|;&#>]|(?<=\S)#)+|&&|[|;&#]|\d?>/g)) {
      if (token === '#') break;
      if (/^(&&|[|;&]|\d?>)$/.test(token)) commands.push((words = []));
      else words.push(token.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'));
    }
  }
  return commands;
}

/** The arguments of every `npx sluice` or `sluice` in shell blocks and inline code. */
function sluiceCalls(page: string): string[][] {
  const shell = blocksOf(page).filter(({ language }) => language === 'sh');
  const prose = withoutBlocks(page).replace(/^#+ .*$/gm, '');
  const inline = [...prose.matchAll(/`((?:npx )?sluice [a-z][^`]*)`/g)].map(([, code = '']) => code);
  return [...shell.map(({ text }) => text), ...inline].flatMap(shellCommands).flatMap((words) => {
    const start = words.findIndex((word) => !/^[A-Z_]+=/.test(word));
    const called = words.slice(start);
    if (called[0] === 'npx' && called[1] === 'sluice') return [called.slice(2)];
    return called[0] === 'sluice' ? [called.slice(1)] : [];
  });
}

async function usageProblem(args: readonly string[]): Promise<string | undefined> {
  try {
    await (await program()).parseAsync([...args], { from: 'user' });
    return undefined;
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    return code === 'commander.helpDisplayed' || code === 'commander.version' ? undefined : message;
  }
}

test('commands of the documentation parse', async () => {
  const problems: string[] = [];
  let calls = 0;
  for (const page of PAGES) {
    for (const args of sluiceCalls(page)) {
      calls += 1;
      // `sluice dlq` in a sentence is the name of the group.
      const problem = args.join(' ') === 'dlq' ? undefined : await usageProblem(args);
      if (problem !== undefined) problems.push(`${page}: sluice ${args.join(' ')}: ${problem}`);
    }
  }
  assert.ok(calls > 20, `only ${calls} commands were found`);
  assert.deepEqual(problems, []);
});

test('a wrong option, argument or choice is found', async () => {
  assert.match((await usageProblem(['validate', '--prnt'])) ?? '', /unknown option/);
  assert.match((await usageProblem(['init', '--sink', 'nowhere'])) ?? '', /Allowed choices/);
  assert.match((await usageProblem(['dlq', 'show'])) ?? '', /missing required argument/);
  assert.match((await usageProblem(['nope'])) ?? '', /unknown command/);
  assert.equal(await usageProblem(['tail', 'orders', '--limit', '3', '--json', '-c', 'x.yaml']), undefined);
});

// ---- configurations

type Mapping = Readonly<Record<string, unknown>>;

const TOP_KEYS = ['version', 'http', 'log', 'pipelines'];
const PIPELINE_KEYS = ['source', 'sink', 'checkpoint', 'deadLetter', 'onPositionLost', 'inFlightBytes', 'stallAfter'];
const MONGO_URI = 'mongodb://localhost/?replicaSet=rs0';

/** A whole configuration with the part in its place; throws for what is not recognised. */
function completed(part: Mapping): Mapping {
  const keys = Object.keys(part);
  const among = (known: readonly string[]) => keys.every((key) => known.includes(key));
  if ('version' in part) return part;
  if (among(TOP_KEYS)) return { version: 1, pipelines: { example: pipelineWith({}) }, ...part };
  if (among([...PIPELINE_KEYS, 'drainTimeout', 'backoff']))
    return { version: 1, pipelines: { example: pipelineWith(part) } };
  throw new Error(`neither a configuration nor a part of one (${keys.join(', ')})`);
}

/** The part with what a pipeline cannot be without. */
function pipelineWith(part: Mapping): Mapping {
  const { source, sink, ...rest } = part as { readonly source?: Mapping; readonly sink?: Mapping };
  const kafka = sink?.['kafka'] === undefined ? {} : { kafka: { brokers: ['localhost:9092'], ...sink['kafka'] } };
  return {
    source: { mongodb: { uri: MONGO_URI, ...(source?.['mongodb'] as object | undefined) } },
    sink: { ...(sink ?? { stdout: {} }), ...kafka },
    ...rest,
  };
}

/** Long enough for a signature of Standard Webhooks. */
const SIGNING_KEY = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;

/** Every variable is set: to a connection string, a signing key or a port where its name says so. */
const ENVIRONMENT = new Proxy<Record<string, string>>(
  {},
  {
    get: (_, name) => {
      if (name === 'POSTGRES_URI') return 'postgres://sluice@localhost/reports';
      if (String(name).endsWith('URI')) return MONGO_URI;
      if (String(name).startsWith('SIGNING_KEY')) return SIGNING_KEY;
      return String(name).endsWith('PORT') ? '8380' : 'a-value-of-some-length';
    },
  },
);

function configProblem(text: string, file: string): string | undefined {
  try {
    const config = completed(parse(text) as Mapping);
    checkConfigText('version' in (parse(text) as Mapping) ? text : JSON.stringify(config), {
      file: resolve(ROOT, file),
      registry,
      env: ENVIRONMENT,
    });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

test('configurations of the documentation and the examples are valid', () => {
  const blocks = PAGES.flatMap((page) =>
    blocksOf(page).map(({ language, text }) => ({ place: page, language, text: dedent(text) })),
  );
  const configurations = [
    ...blocks.filter(({ language }) => language === 'yaml' || language === 'yml'),
    ...EXAMPLES.map((file) => ({ place: file, text: read(file) })),
  ].filter(({ text }) => !/^# yaml-language-server[^\n]*\n$/.test(text));
  assert.ok(configurations.length > 15, `only ${configurations.length} configurations were found`);
  assert.ok(EXAMPLES.length >= 2, 'the examples were found');
  const problems = configurations.flatMap(({ place, text }) => {
    const problem = configProblem(text, place);
    return problem === undefined ? [] : [`${place}: ${problem}\n${text}`];
  });
  assert.deepEqual(problems, []);
  for (const { language, text } of blocks) if (/^yaml ./.test(language)) assert.doesNotThrow(() => parse(text), text);
});

test('a mistake in a whole configuration or a part of one is found', () => {
  assert.match(configProblem('version: 1\npipelines: {}\n', 'x') ?? '', /no pipeline/);
  assert.match(configProblem('sink:\n  kafka: { topik: x }\n', 'x') ?? '', /did you mean "topic"/);
  assert.match(configProblem('http: { listen: 0.0.0.0:8380 }\n', 'x') ?? '', /needs a token/);
  assert.match(configProblem('apiVersion: v1\n', 'x') ?? '', /neither/);
  assert.equal(configProblem('sink:\n  kafka: { topic: x }\n', 'x'), undefined);
});

function dedent(text: string): string {
  const indents = [...text.matchAll(/^( *)\S/gm)].map(([, indent = '']) => indent.length);
  return text.replaceAll(new RegExp(`^ {${Math.min(...indents, 80)}}`, 'gm'), '');
}
