import { LONGEST_TOPIC, TOPIC_NAME } from './topic-template.ts';

/** Which topics are meant. */
export interface TopicSelection {
  /** Topics that are named; they may not exist yet. */
  readonly named: readonly string[];
  /** Whether a topic is meant that may be named or not. Patterns never match own topics of Kafka (`__…`) and of Sluice. */
  matches(topic: string): boolean;
  /** True when all topics of the cluster have to be looked at. */
  readonly hasPatterns: boolean;
}

/** Where dead letters and checkpoints are kept unless the configuration says otherwise. */
export const DEAD_LETTER_TOPIC = 'sluice.dead-letters';
export const CHECKPOINT_TOPIC = 'sluice.checkpoints';

const REGULAR_EXPRESSION = /^\/(.+)\/$/;
const WILDCARD = /[*?]/;
const GLOB = /^[a-zA-Z0-9._*?-]+$/;

/** What is wrong with the text as a topic, a pattern or a regular expression; undefined when nothing is. */
export function topicPatternProblem(text: string): string | undefined {
  if (REGULAR_EXPRESSION.test(text)) return regularExpressionProblem(text);
  if (WILDCARD.test(text) ? GLOB.test(text) : TOPIC_NAME.test(text)) return undefined;
  return `must be 1 to ${LONGEST_TOPIC} letters, digits, \`.\`, \`_\` or \`-\`, with \`*\` or \`?\` as a pattern, or a regular expression between slashes`;
}

/** The topics that names, patterns (`*` any text, `?` one character) and regular expressions (`/…/`) select together. */
export function selectTopics(texts: readonly string[]): TopicSelection {
  const patterns = texts.filter(isPattern).map(toRegularExpression);
  const named = texts.filter((text) => !isPattern(text));
  return {
    named,
    matches: (topic) => named.includes(topic) || (!isOwn(topic) && patterns.some((each) => each.test(topic))),
    hasPatterns: patterns.length > 0,
  };
}

/** Reading them with everything else would make each dead letter another dead letter, for ever. */
function isOwn(topic: string): boolean {
  return topic.startsWith('__') || topic === DEAD_LETTER_TOPIC || topic === CHECKPOINT_TOPIC;
}

function isPattern(text: string): boolean {
  return REGULAR_EXPRESSION.test(text) || WILDCARD.test(text);
}

function toRegularExpression(text: string): RegExp {
  const source = REGULAR_EXPRESSION.exec(text)?.[1];
  if (source !== undefined) return new RegExp(source, 'u');
  const glob = text.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.');
  return new RegExp(`^${glob}$`);
}

function regularExpressionProblem(text: string): string | undefined {
  try {
    toRegularExpression(text);
    return undefined;
  } catch (error) {
    return `is not a regular expression: ${(error as Error).message}`;
  }
}
