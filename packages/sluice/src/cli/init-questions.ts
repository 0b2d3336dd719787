import { createInterface, type Interface } from 'node:readline/promises';
import { INIT_SINKS, type InitAnswers } from './init-template.ts';

/** Answers that options already gave. */
export interface GivenAnswers {
  readonly mongoUriEnv?: string | undefined;
  readonly include?: readonly string[] | undefined;
  readonly snapshot?: InitAnswers['snapshot'] | undefined;
  readonly sink?: InitAnswers['sink'] | undefined;
  readonly brokers?: string | undefined;
  readonly servers?: string | undefined;
  readonly nodes?: string | undefined;
  readonly targetUriEnv?: string | undefined;
  readonly pipeline?: string | undefined;
}

const DEFAULTS: InitAnswers = {
  pipeline: 'changes',
  mongoUriEnv: 'MONGO_URI',
  include: ['*.*'],
  snapshot: 'initial',
  sink: 'stdout',
  brokers: ['localhost:9092'],
  servers: ['localhost:4222'],
  nodes: ['http://localhost:9200'],
  targetUriEnv: undefined,
};

/** The answers without asking: what was given, else the defaults. */
export function answersOf(given: GivenAnswers): InitAnswers {
  return {
    pipeline: given.pipeline ?? DEFAULTS.pipeline,
    mongoUriEnv: given.mongoUriEnv ?? DEFAULTS.mongoUriEnv,
    include: given.include ?? DEFAULTS.include,
    snapshot: given.snapshot ?? DEFAULTS.snapshot,
    sink: given.sink ?? DEFAULTS.sink,
    brokers: given.brokers === undefined ? DEFAULTS.brokers : listOf(given.brokers),
    servers: given.servers === undefined ? DEFAULTS.servers : listOf(given.servers),
    nodes: given.nodes === undefined ? DEFAULTS.nodes : listOf(given.nodes),
    targetUriEnv: given.targetUriEnv,
  };
}

/** Asks on the terminal for what was not given. Ctrl-C and the end of the input end the process as usual. */
export async function askFor(given: GivenAnswers): Promise<InitAnswers> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    const mongoUriEnv =
      given.mongoUriEnv ?? (await ask(terminal, 'Variable with the MongoDB URI', DEFAULTS.mongoUriEnv));
    const include =
      given.include ??
      listOf(await ask(terminal, 'What to read (database.collection, * allowed)', DEFAULTS.include.join()));
    const snapshot =
      given.snapshot ?? (await askOne(terminal, 'Copy what is there already', ['initial', 'never', 'only']));
    const sink = given.sink ?? (await askOne(terminal, 'Where to write', INIT_SINKS));
    const needsBrokers = sink === 'kafka' && given.brokers === undefined;
    const brokers = needsBrokers ? await ask(terminal, 'Kafka brokers', DEFAULTS.brokers.join()) : given.brokers;
    const needsServers = sink === 'nats' && given.servers === undefined;
    const servers = needsServers ? await ask(terminal, 'NATS servers', DEFAULTS.servers.join()) : given.servers;
    const needsNodes = sink === 'search' && given.nodes === undefined;
    const nodes = needsNodes ? await ask(terminal, 'URLs of the search nodes', DEFAULTS.nodes.join()) : given.nodes;
    const pipeline = given.pipeline ?? (await ask(terminal, 'Name of the pipeline', DEFAULTS.pipeline));
    const { targetUriEnv } = given;
    return answersOf({ mongoUriEnv, include, snapshot, sink, brokers, servers, nodes, targetUriEnv, pipeline });
  } finally {
    terminal.close();
  }
}

/** The first choice is the one that Enter takes. */
async function askOne<const Choice extends string>(
  terminal: Interface,
  question: string,
  choices: readonly [Choice, ...Choice[]],
): Promise<Choice> {
  for (;;) {
    const answer = await ask(terminal, `${question} (${choices.join(', ')})`, choices[0]);
    const choice = choices.find((one) => one === answer);
    if (choice !== undefined) return choice;
  }
}

async function ask(terminal: Interface, question: string, fallback: string): Promise<string> {
  const answer = (await terminal.question(`${question} [${fallback}]: `)).trim();
  return answer === '' ? fallback : answer;
}

function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
