import type { Random } from './dice.ts';
import { type ModelServer, type ModelWrite, OUTSIDE } from './model-server.ts';

const CHANGES = ['insert', 'insert', 'insert', 'update', 'update', 'replace', 'delete', 'delete'] as const;

/** What the writers of a run work on. */
export interface Playground {
  readonly collections: readonly string[];
  readonly keys: readonly number[];
  /** How often a collection is dropped or renamed, of all writes. */
  readonly ddl: number;
  readonly renames: boolean;
}

/** One commit of a writer: most change one document, some are transactions, few change whole collections. */
export function writeSomething(server: ModelServer, ground: Playground, random: Random): void {
  if (random.chance(0.15)) server.tick(1 + random.int(2), random.chance(0.3) ? 1 : 0);
  const coll = random.chance(0.06) ? OUTSIDE : random.pick(ground.collections);
  if (random.chance(ground.ddl)) server.commit([collectionWrite(coll, ground, random)]);
  else if (random.chance(0.3)) server.commit(transaction(ground, random));
  else if (random.chance(0.1)) reinsert(server, coll, random.pick(ground.keys), random);
  else server.commit([documentWrite(coll, random.pick(ground.keys), random)]);
}

/** The collections as a run finds them. */
export function fill(server: ModelServer, ground: Playground, random: Random): void {
  for (const coll of [...ground.collections, OUTSIDE]) {
    if (random.chance(0.15)) continue;
    for (const key of ground.keys) {
      if (random.chance(0.6)) server.commit([{ op: 'insert', coll, key, form: random.int(3) }]);
    }
  }
}

function documentWrite(coll: string, key: number, random: Random): ModelWrite {
  return { op: random.pick(CHANGES), coll, key, form: random.int(3) };
}

function collectionWrite(coll: string, { collections, renames }: Playground, random: Random): ModelWrite {
  if (!renames || (coll !== OUTSIDE && random.chance(0.5))) return { op: 'drop', coll };
  return { op: 'rename', coll, to: random.chance(0.2) ? OUTSIDE : random.pick(collections) };
}

/** Several changes at one time; some documents are changed twice in it. */
function transaction({ collections, keys }: Playground, random: Random): ModelWrite[] {
  const writes: ModelWrite[] = [];
  const count = 2 + random.int(4);
  while (writes.length < count) {
    const last = writes.at(-1);
    const again = last?.key !== undefined && random.chance(0.4) ? last : undefined;
    writes.push(documentWrite(again?.coll ?? random.pick(collections), again?.key ?? random.pick(keys), random));
  }
  return writes;
}

function reinsert(server: ModelServer, coll: string, key: number, random: Random): void {
  server.commit([{ op: 'delete', coll, key }]);
  server.commit([{ op: 'insert', coll, key, form: random.int(3) }]);
}
