import { type ClusterTime, compareClusterTime } from '../../../../core/cluster-time.ts';
import type { Position } from '../../../../core/position.ts';
import type { StreamBatch } from '../anchor.ts';
import type { Random } from './dice.ts';
import { highWater, type ModelEvent, type ModelServer } from './model-server.ts';

const MOST_EVENTS = 6;

/**
 * A change stream of the model from a position on. A replica set shows all changes up to now; a sharded cluster may
 * hold any of the newest back, also in the middle of a transaction, although its tokens have reached their time.
 */
export class ModelStream {
  readonly #server: ModelServer;
  readonly #random: Random;
  readonly #sharded: boolean;
  #position: Position;
  #index: number;
  #shown = 0;

  constructor(server: ModelServer, from: Position, sharded: boolean, random: Random) {
    this.#server = server;
    this.#random = random;
    this.#sharded = sharded;
    this.#position = { token: from.token, clusterTime: from.clusterTime };
    this.#index = server.changes.findIndex((event) => event.id > from.token);
    if (this.#index < 0) this.#index = server.changes.length;
  }

  /** Behind everything given. */
  get position(): Position {
    return this.#position;
  }

  /** True when every change so far was given. */
  get isDrained(): boolean {
    return this.#index === this.#server.changes.length;
  }

  /** The next answer. */
  answer(): StreamBatch {
    const random = this.#random;
    if (random.chance(0.1)) return this.#batch([], false);
    const limit = this.#visible();
    const most = this.#index + 1 + random.int(MOST_EVENTS);
    const events = this.#server.changes.slice(this.#index, Math.min(limit, most));
    if (events.length === 0) return this.#nothing();
    this.#index += events.length;
    this.#position = (events.at(-1) as ModelEvent).position;
    return this.#batch(events, false);
  }

  /** Index of the first change that is not shown yet. */
  #visible(): number {
    const all = this.#server.changes.length;
    if (!this.#sharded) return all;
    const hidden = this.#random.chance(0.4) ? 0 : this.#random.int(8);
    this.#shown = Math.max(this.#shown, all - hidden);
    return this.#shown;
  }

  #nothing(): StreamBatch {
    const reached = this.#reached();
    const isLater = compareClusterTime(reached, this.#position.clusterTime) > 0;
    if (isLater && this.#random.chance(0.7)) this.#position = highWater(reached);
    return this.#batch([], true);
  }

  /** The time up to which there is nothing; on a sharded cluster changes of that very time may be to come. */
  #reached(): ClusterTime {
    return this.#server.changes[this.#index]?.version.clusterTime ?? this.#server.now;
  }

  #batch(events: readonly ModelEvent[], empty: boolean): StreamBatch {
    const bytes = events.reduce((sum, { size }) => sum + size, 0);
    return { events, position: this.#position, bytes, caughtUp: this.isDrained, empty };
  }
}
