import type { Random } from './random.ts';

/** The kinds of work a writer does; the transactions touch several keys, or one key twice. */
export type WriteKind = 'insert' | 'update' | 'replace' | 'delete' | 'reinsert' | 'transaction' | 'double-update';

/** Shares of the kinds; `insert` happens by itself whenever the key has no document. */
export type WriteMix = Readonly<Partial<Record<Exclude<WriteKind, 'insert'>, number>>>;

/** One change of one document. */
export interface PlannedChange {
  readonly key: number;
  readonly op: 'insert' | 'update' | 'replace' | 'delete';
}

/** One piece of work: its changes, in order, in one transaction or one by one. */
export interface PlannedWrite {
  readonly kind: WriteKind;
  readonly changes: readonly PlannedChange[];
  readonly inTransaction: boolean;
}

/** Updates are most frequent, as in most databases. */
export const DEFAULT_MIX: WriteMix = {
  update: 5,
  replace: 2,
  delete: 1,
  reinsert: 1,
  transaction: 2,
  'double-update': 1,
};

/** A kind, drawn by its share. */
export function drawKind(mix: WriteMix, random: Random): WriteKind {
  const entries = Object.entries(mix) as [WriteKind, number][];
  let ticket = random.next() * entries.reduce((sum, [, share]) => sum + share, 0);
  for (const [kind, share] of entries) {
    ticket -= share;
    if (ticket < 0) return kind;
  }
  throw new Error('the mix has no kind with a share above zero');
}

/** The keys this kind needs: one, or two to three different ones for a transaction. */
export function drawKeys(kind: WriteKind, keyCount: number, random: Random): readonly number[] {
  const wanted = kind === 'transaction' ? Math.min(keyCount, 2 + random.int(2)) : 1;
  const keys = new Set<number>();
  while (keys.size < wanted) keys.add(random.int(keyCount));
  return [...keys];
}

/** What to do with these keys, given which of them have a document now. */
export function planWrite(
  kind: WriteKind,
  keys: readonly { readonly key: number; readonly alive: boolean }[],
  random: Random,
): PlannedWrite {
  if (kind === 'transaction') {
    const changes = keys.map(({ key, alive }) => ({
      key,
      op: alive ? random.pick(['update', 'update', 'replace', 'delete'] as const) : ('insert' as const),
    }));
    return { kind, changes, inTransaction: true };
  }
  const [{ key, alive } = { key: 0, alive: false }] = keys;
  if (kind === 'double-update') {
    const first = { key, op: alive ? ('update' as const) : ('insert' as const) };
    return { kind, changes: [first, { key, op: 'update' }], inTransaction: true };
  }
  if (!alive || kind === 'insert') return { kind: 'insert', changes: [{ key, op: 'insert' }], inTransaction: false };
  if (kind === 'reinsert') {
    const changes = [
      { key, op: 'delete' as const },
      { key, op: 'insert' as const },
    ];
    return { kind, changes, inTransaction: false };
  }
  return { kind, changes: [{ key, op: kind }], inTransaction: false };
}
