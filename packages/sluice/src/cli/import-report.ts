import type { ImportEntry, ImportResult, Outcome } from '../importers/import-result.ts';
import { shorten } from './human.ts';
import { renderTable } from './table.ts';
import type { Terminal } from './terminal.ts';

const WORDS: Readonly<Record<Outcome, string>> = {
  mapped: 'mapped',
  changed: 'changed',
  'not-needed': 'not needed',
  'not-supported': 'not supported',
};

const WIDEST_VALUE = 50;

/** What became of every option, for people, and what to do before the YAML is run. */
export function importTable({ report, variables }: ImportResult, { paintMessage }: Terminal): string {
  const colour = { mapped: 'green', changed: 'yellow', 'not-needed': 'gray', 'not-supported': 'red' } as const;
  const rows = report.map(({ option, value, outcome, to, reason }) => [
    option,
    shorten(value, WIDEST_VALUE),
    paintMessage(colour[outcome], WORDS[outcome]),
    [to, reason].filter((part) => part !== undefined && part !== '').join(': '),
  ]);
  const columns = [{ title: 'option' }, { title: 'value' }, { title: 'outcome' }, { title: 'where, why' }];
  const missing = unsupported(report).length;
  const lines = variables.map(({ name, meaning }) => `Set ${name}: ${meaning}\n`);
  if (missing > 0)
    lines.push(`Not supported: ${missing} of ${report.length} options. Look at each before you run this.\n`);
  return `${renderTable(columns, rows)}${lines.join('')}`;
}

/** The entries with which something is lost. */
export function unsupported(report: readonly ImportEntry[]): readonly ImportEntry[] {
  return report.filter(({ outcome }) => outcome === 'not-supported');
}
