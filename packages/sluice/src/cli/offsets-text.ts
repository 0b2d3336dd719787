import type { PartOffset } from '../core/source.ts';
import type { PipelineStatus } from '../core/status.ts';
import { humanCount } from './human.ts';

const PARTS_SHOWN = 12;

/** How far a pipeline has come in the brokers that it reads and writes, one line for each part. */
export function offsetLines({ sourceOffsets, sinkOffsets }: PipelineStatus): readonly string[] {
  return [
    ...shown(sourceOffsets, (part) => `reads ${part.part} at ${part.offset}${behindText(part)}`),
    ...shown(sinkOffsets, ({ part, offset }) => `wrote ${part} up to ${offset}`),
  ];
}

function behindText({ offset, end }: PartOffset): string {
  if (end === undefined) return '';
  return end <= offset ? ' (end)' : ` (${humanCount(end - offset)} behind)`;
}

function shown(parts: readonly PartOffset[], line: (part: PartOffset) => string): readonly string[] {
  const lines = parts.slice(0, PARTS_SHOWN).map(line);
  const more = parts.length - lines.length;
  return more === 0 ? lines : [...lines, `… and ${more} more`];
}
