import { type DetailSegment, describeEvent } from '../bson/describe-event.ts';
import type { Envelope } from '../core/envelope.ts';
import { humanSpan } from './human.ts';
import type { Style } from './terminal.ts';

/** How a change is drawn. */
export interface ChangeLineOptions {
  readonly paint: (style: Style, text: string) => string;
  /** Time from the change to now; shown when given. */
  readonly lagMs?: number | undefined;
  /** Characters for what changed; 80 when left out. */
  readonly width?: number | undefined;
}

const OPERATION_STYLES: Readonly<Record<string, Style>> = {
  insert: 'green',
  update: 'yellow',
  replace: 'yellow',
  delete: 'red',
};
const OPERATION_WIDTH = 7;

const DETAIL_STYLES: Readonly<Record<DetailSegment['kind'], Style | undefined>> = {
  field: 'cyan',
  value: undefined,
  removed: 'red',
  note: 'magenta',
  separator: 'gray',
};

/** A change in one line: `12:30:01.120 update  shop.orders 42  status: "paid", -draft  (85 ms)`. Never throws. */
export function changeLine({ event }: Envelope, { paint, lagMs, width = 80 }: ChangeLineOptions): string {
  const { op, namespace, key, details } = describeEvent(event, { width });
  const clock = new Date(event.sourceTimeMs).toISOString().slice(11, 23);
  const words = [
    paint('gray', clock),
    paint(OPERATION_STYLES[op] ?? 'magenta', op.padEnd(OPERATION_WIDTH)),
    namespace,
    paint('bold', key),
  ];
  const line = words.filter((word) => word !== '').join(' ');
  const changed = details.map(({ kind, text }) => paintDetail(kind, text, paint)).join('');
  const lag = lagMs === undefined ? '' : `  ${paint('gray', `(${humanSpan(Math.max(0, lagMs))})`)}`;
  return `${line}${changed === '' ? '' : `  ${changed}`}${lag}`;
}

function paintDetail(kind: DetailSegment['kind'], text: string, paint: ChangeLineOptions['paint']): string {
  const style = DETAIL_STYLES[kind];
  return style === undefined ? text : paint(style, text);
}
