import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BsonValue, ChangeEvent } from '../../../core/change-event.ts';
import { compareClusterTime } from '../../../core/cluster-time.ts';
import type { SourceBatch } from '../../../core/source.ts';
import { seededRandom } from '../../../testing/random.ts';
import { Aligner, type AlignerOptions, type ChunkRead } from './aligner.ts';
import { type StreamBatch, timeBefore } from './anchor.ts';
import { simpleOrder } from './remaining.ts';
import type { ChunkResult } from './rows.ts';
import { AlignerWrapper } from './test-support/aligner-wrapper.ts';
import { Violation } from './test-support/check-log.ts';
import { formsOf, KEY_COUNT } from './test-support/model-keys.ts';
import { chunkOf, placeOf, readModelChunk } from './test-support/model-read.ts';
import { ModelEvent, type ModelServer } from './test-support/model-server.ts';
import { type AlignerPort, type Rig, soundRig } from './test-support/rig.ts';
import { simulate } from './test-support/simulation.ts';

/*
 * Bugs planted around the aligner: the checker of the simulation has to notice each of them soon.
 */

/** How many runs a bug may take to be noticed; the sound aligner passes thousands. */
const MOST_RUNS = 200;

/** Declares the test of one bug. */
function caught(name: string, bug: Partial<Rig>, most = MOST_RUNS): void {
  test(`noticed: ${name}`, (t) => {
    for (let run = 1; run <= most; run++) {
      try {
        simulate(seededRandom(run), { ...soundRig, ...bug });
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
        t.diagnostic(`in run ${run}: ${error.message}`);
        return;
      }
    }
    assert.fail(`not noticed in ${most} runs`);
  });
}

/** An aligner with something planted around it. */
function planted(Wrapper: new (inner: AlignerPort) => AlignerPort): Pick<Rig, 'make'> {
  return { make: (options: AlignerOptions) => new Wrapper(new Aligner(options)) };
}

const isRow = ({ op }: ChangeEvent) => op === 'snapshot';
const hasRows = ({ events }: SourceBatch) => events.some(isRow);

caught('a read one tick later than its anchor', {
  read: (server, read, rows) => {
    const { t, i } = read.at;
    return readModelChunk(server, { ...read, at: { t, i: i + 1 } }, rows);
  },
});

caught('a read one tick earlier than its anchor', {
  read: (server, read, rows) => readModelChunk(server, { ...read, at: timeBefore(read.at) }, rows),
});

caught('a read that loses its last row', {
  read: (server, read, rows) => {
    const result = readModelChunk(server, read, rows);
    return { ...result, rows: result.rows.slice(0, -1) };
  },
});

/** Swaps the contents of two batches that follow each other. */
abstract class Swapping extends AlignerWrapper {
  #later: SourceBatch | undefined;

  abstract swaps(first: SourceBatch, second: SourceBatch): boolean;

  override next(): SourceBatch | undefined {
    const first = this.#later ?? this.inner.next();
    this.#later = undefined;
    if (first === undefined || first.events.length === 0) return first;
    const second = this.inner.next();
    if (second === undefined) return first;
    this.#later = second;
    if (!this.swaps(first, second)) return first;
    this.#later = { ...second, events: first.events };
    return { ...first, events: second.events };
  }
}

caught(
  'rows handed out one batch late',
  planted(
    class extends Swapping {
      swaps(first: SourceBatch, second: SourceBatch): boolean {
        return hasRows(first) && !hasRows(second);
      }
    },
  ),
);

caught(
  'rows handed out one batch early',
  planted(
    class extends Swapping {
      swaps(first: SourceBatch, second: SourceBatch): boolean {
        return !hasRows(first) && hasRows(second);
      }
    },
  ),
);

caught(
  'a change of a document that is not copied yet passes',
  planted(
    class extends AlignerWrapper {
      #waiting: ChangeEvent[] = [];
      #count = 0;

      override receive(batch: StreamBatch): void {
        this.#waiting.push(...batch.events);
        super.receive(batch);
      }

      override next(): SourceBatch | undefined {
        const batch = super.next();
        if (batch === undefined || hasRows(batch)) return batch;
        const { events, position } = batch;
        const behind = this.#waiting.findIndex((event) => event.id > position.token);
        const passed = this.#waiting.splice(0, behind < 0 ? this.#waiting.length : behind);
        const isWrong = (event: ChangeEvent) => !events.includes(event) && this.#count++ % 10 === 0;
        return { ...batch, events: passed.filter((event) => events.includes(event) || isWrong(event)) };
      }
    },
  ),
);

caught(
  'a change of a document that is copied is dropped',
  planted(
    class extends AlignerWrapper {
      #count = 0;

      override next(): SourceBatch | undefined {
        const batch = super.next();
        return batch && { ...batch, events: batch.events.filter((event) => isRow(event) || this.#count++ % 30 !== 29) };
      }
    },
  ),
);

caught('the last key of a chunk counts as not copied', {
  keyOrder: (copy, key, bound) => simpleOrder(copy, key, bound) || 1,
});

caught('the last key of a range counts as copied with the range before', {
  keyOrder: (copy, key, bound) => {
    const order = simpleOrder(copy, key, bound);
    const isEnd = copy.remaining?.some(({ through }) => through === bound) === true;
    return order === 0 && isEnd ? 1 : order;
  },
});

/** A reader of documents that a wrong condition selects. */
function reading(selects: (key: number, after: number, through: number) => boolean): Pick<Rig, 'read'> {
  return {
    read: (server: ModelServer, { copy, interval, at }: ChunkRead, rows: number): ChunkResult => {
      const { coll } = copy.namespace;
      const [after, through] = [placeOf(interval.after, -1), placeOf(interval.through, KEY_COUNT)];
      const keys = server.keysAt(coll, at).filter((key) => selects(key, after, through));
      return chunkOf(
        keys.map((key) => server.documentAt(coll, key, at) as Buffer),
        rows + 1,
      );
    },
  };
}

caught('a chunk begins with the key that the one before ended with', {
  ...reading((key, after, through) => key >= after && key <= through),
});

caught('a chunk ends before the last key of its range', {
  ...reading((key, after, through) => key > after && key < through),
});

const NUMBERS = [0x01, 0x10, 0x12];
const bracketOf = ({ type }: BsonValue) => (NUMBERS.includes(type) ? 0 : type);
const bracketAt = (key: number) => bracketOf(formsOf(key)[0]?.value as BsonValue);

caught('keys are only compared with bounds of their own type', {
  keyOrder: (copy, key, bound) => (bracketOf(key) === bracketOf(bound) ? simpleOrder(copy, key, bound) : -1),
});

caught('a chunk has only documents whose keys are of the type of its bound', {
  ...reading(
    (key, after, through) => key > after && key <= through && (after < 0 || bracketAt(key) === bracketAt(after)),
  ),
});

// Rare: such an answer has to come in the middle of a transaction.
caught(
  'an empty answer of a sharded cluster is taken for all there is',
  { make: (options) => new Aligner({ ...options, emptyMeansAll: true }) },
  20 * MOST_RUNS,
);

caught('an anchor inside a transaction', {
  make: (options) =>
    new (class extends AlignerWrapper {
      override receive(batch: StreamBatch): void {
        const index = insideTransaction(batch.events);
        const before = batch.events[index - 1];
        if (before === undefined) return super.receive(batch);
        const { position } = before;
        super.receive({ ...batch, events: batch.events.slice(0, index), position });
        super.receive({ ...batch, events: [], position, empty: true });
        super.receive({ ...batch, events: batch.events.slice(index) });
      }
    })(new Aligner({ ...options, emptyMeansAll: true })),
});

/** Index of a change at the same time as the one before it, or 0. */
function insideTransaction(events: readonly ChangeEvent[]): number {
  const index = events.findIndex((event, at) => {
    const before = events[at - 1];
    return before !== undefined && compareClusterTime(before.position.clusterTime, event.position.clusterTime) === 0;
  });
  return Math.max(index, 0);
}

caught('the state of a batch is lost where the batch is cut', {
  positionBehind: ({ events }, index) => (events[index] as ChangeEvent).position,
});

caught('the state behind a row is that behind its whole chunk', {
  positionBehind: ({ events, position: { state } }, index) => {
    const { token, clusterTime } = (events[index] as ChangeEvent).position;
    return state === undefined ? { token, clusterTime } : { token, clusterTime, state };
  },
});

caught('a run is resumed where the stream was, not where the sink was', {
  resumeAt: (cut, { token, clusterTime }) => ({ ...cut.position(), token, clusterTime }),
});

/** A drop that the aligner cannot tell. */
class Disguised extends ModelEvent {
  readonly original: ModelEvent;

  constructor(original: ModelEvent) {
    super({ ...original.write, op: 'modify' }, original.version);
    this.original = original;
  }
}

caught(
  'the drop of a collection is forgotten',
  planted(
    class extends AlignerWrapper {
      override receive(batch: StreamBatch): void {
        const disguise = (event: ChangeEvent) =>
          event instanceof ModelEvent && event.op === 'drop' ? new Disguised(event) : event;
        super.receive({ ...batch, events: batch.events.map(disguise) });
      }

      override next(): SourceBatch | undefined {
        const batch = super.next();
        const original = (event: ChangeEvent) => (event instanceof Disguised ? event.original : event);
        return batch && { ...batch, events: batch.events.map(original) };
      }
    },
  ),
);

caught('a collection that is renamed into the stream is not copied', {
  make: (options) => new Aligner({ ...options, adopt: () => undefined }),
});

caught(
  'a row of a collection that is gone is handed out',
  planted(
    class extends AlignerWrapper {
      #rows: SourceBatch | undefined;

      override next(): SourceBatch | undefined {
        const batch = super.next();
        if (batch === undefined) return undefined;
        if (batch.events.some(({ op }) => op === 'drop') && this.#rows !== undefined) {
          const late = { ...batch, events: [...batch.events, ...this.#rows.events] };
          this.#rows = undefined;
          return late;
        }
        if (hasRows(batch)) this.#rows = batch;
        return batch;
      }
    },
  ),
);
