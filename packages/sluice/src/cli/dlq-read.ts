import { formatClusterTime } from '../core/cluster-time.ts';
import type { DeadLetter } from '../core/dead-letter.ts';
import { asSluiceError } from '../core/failure.ts';
import { documentEncoder } from '../formats/value-encoder.ts';
import { type Invocation, type Outcome, usageError } from './action.ts';
import { openLetters, referenceOf } from './dead-letters.ts';
import type { DlqOptions } from './dlq.ts';
import { humanBytes, humanTime, shorten } from './human.ts';
import { listenForSignals } from './signals.ts';
import { renderTable } from './table.ts';

const KEY_WIDTH = 40;
const REASON_WIDTH = 80;
const HEX_BYTES = 4096;

/** `sluice dlq list` */
export async function listLetters(invocation: Invocation<DlqOptions>): Promise<Outcome> {
  const limit = limitOf(invocation.options);
  using signals = listenForSignals();
  await using letters = await openLetters(invocation, signals.stop);
  const shown: DeadLetter[] = [];
  let more = false;
  for await (const letter of letters.store.list(letters.pipeline.name, signals.stop)) {
    more = shown.length >= limit;
    if (more) break;
    shown.push(letter);
  }
  const { name } = letters.pipeline;
  const text = shown.length === 0 ? `pipeline "${name}" has no dead letters\n` : lettersTable(shown, more);
  return { result: { pipeline: name, deadLetters: shown.map(withoutEvent), more }, text };
}

function limitOf({ limit }: DlqOptions): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  const value = Number(limit);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw usageError(`--limit ${limit} is not a whole number from 1`);
}

function lettersTable(letters: readonly DeadLetter[], more: boolean): string {
  const titles = ['ID', 'FAILED', 'OP', 'NAMESPACE', 'KEY', 'TRIES', 'REASON'];
  const rows = letters.map((letter) => [
    referenceOf(letter),
    humanTime(letter.failedAtMs),
    letter.op,
    letter.namespace,
    shorten(letter.key, KEY_WIDTH),
    String(letter.attempts),
    shorten(`${letter.reason} (${letter.code})`, REASON_WIDTH),
  ]);
  const table = renderTable(
    titles.map((title) => ({ title })),
    rows,
  );
  return more ? `${table}… and more; raise --limit\n` : table;
}

/** `sluice dlq show` */
export async function showLetter(invocation: Invocation<DlqOptions>): Promise<Outcome> {
  const wanted = String(invocation.args[0]);
  using signals = listenForSignals();
  await using letters = await openLetters(invocation, signals.stop);
  for await (const letter of letters.store.list(letters.pipeline.name, signals.stop)) {
    if (letter.id === wanted || referenceOf(letter) === wanted) {
      const event = readEvent(letter);
      return { result: { ...withoutEvent(letter), ...event }, text: letterText(letter, event), verbatim: true };
    }
  }
  throw usageError(
    `there is no dead letter "${wanted}" in pipeline "${letters.pipeline.name}"`,
    'see "sluice dlq list"',
  );
}

function withoutEvent({ raw: _raw, ...letter }: DeadLetter): object {
  return { reference: referenceOf(letter as DeadLetter), ...letter };
}

/** The event in the most readable form that its bytes allow. */
interface ReadEvent {
  readonly event?: unknown;
  /** The first bytes, when they cannot be read as a document. */
  readonly hex?: string;
  /** What is wrong with the bytes. */
  readonly problem?: string;
}

function readEvent({ raw, rawBytes }: DeadLetter): ReadEvent {
  if (raw === undefined) return { problem: `the store could not hold the event (${humanBytes(rawBytes)})` };
  try {
    return { event: JSON.parse(documentEncoder('relaxed')(raw).toString('utf8')) };
  } catch (error) {
    return { problem: asSluiceError(error).message, hex: Buffer.from(raw.subarray(0, HEX_BYTES)).toString('hex') };
  }
}

function letterText(letter: DeadLetter, { event, hex, problem }: ReadEvent): string {
  const facts = [
    ['id', letter.id],
    ['pipeline', letter.pipeline],
    ['namespace', letter.namespace],
    ['operation', letter.op],
    ['key', letter.key],
    ['cluster time', formatClusterTime(letter.clusterTime)],
    ['failed', `${humanTime(letter.failedAtMs)}, tried ${letter.attempts} times`],
    ['reason', `${letter.reason} (${letter.code})`],
    ['size', humanBytes(letter.rawBytes)],
  ];
  const lines = facts.map(([name = '', value = '']) => `${`${name}:`.padEnd(14)}${value}\n`).join('');
  if (event !== undefined) return `${lines}\n${JSON.stringify(event, null, 2)}\n`;
  return `${lines}\nthe event cannot be shown as JSON: ${problem}\n${hex === undefined ? '' : hexDump(hex, letter)}`;
}

function hexDump(hex: string, { rawBytes }: DeadLetter): string {
  const lines = hex.match(/.{1,64}/g) ?? [];
  const cut = rawBytes > HEX_BYTES ? `… ${humanBytes(rawBytes - HEX_BYTES)} more\n` : '';
  return `${lines.map((line) => (line.match(/../g) ?? []).join(' ')).join('\n')}\n${cut}`;
}
