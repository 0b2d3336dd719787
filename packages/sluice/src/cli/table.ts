import { stripVTControlCharacters } from 'node:util';

/** One column: its heading and which side the cells stand on. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** A table as text with a line break at the end: headings, then rows, columns two spaces apart. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map((_, index) => row[index] ?? ''))];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => visibleWidth(row[index] ?? ''))));
  const lines = cells.map((row) => {
    const padded = columns.map(({ align }, index) => pad(row[index] ?? '', widths[index] ?? 0, align ?? 'left'));
    return padded.join('  ').trimEnd();
  });
  return `${lines.join('\n')}\n`;
}

/** Characters on the screen; colours take none. */
export function visibleWidth(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length;
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - visibleWidth(text)));
  return align === 'right' ? space + text : text + space;
}
