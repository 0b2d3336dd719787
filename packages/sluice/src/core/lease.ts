import type { Epoch, PartitionId } from './checkpoint.ts';

/** Names a process on its machine, so that another process there can find out that it has ended. */
export interface ProcessMark {
  /** Machine and boot that process numbers belong to, e.g. `a1b2…/pid:[4026531836]`. */
  readonly space: string;
  readonly pid: number;
  /** When it started, in the machine's own count; tells it from a later process with the same number. */
  readonly startedAt: string;
}

/** Who asks for leases: one run of one process. */
export interface Instance {
  /** Unique; never used by another run. */
  readonly id: string;
  /** For people, e.g. `host-3:4711`. */
  readonly name: string;
  /** Undefined where the system does not tell; then only time shows that it has ended. */
  readonly process?: ProcessMark | undefined;
}

/** A lease as the store has it at the moment it answers. */
export interface LeaseView {
  readonly partition: PartitionId;
  /** Undefined when nobody holds it. */
  readonly holder: Instance | undefined;
  /** Number of times the lease was taken; only grows. It orders owners for people; writes are fenced by the claim's epoch. */
  readonly epoch: Epoch;
  /** Time left by the store's own clock, in ms; 0 or less when it can be taken. */
  readonly expiresInMs: number;
}

/** What `take` asks for. */
export interface LeaseRequest {
  readonly partition: PartitionId;
  readonly holder: Instance;
  readonly ttlMs: number;
  /** The lease of this epoch counts as free: its holder is known to have ended. */
  readonly insteadOf?: Epoch | undefined;
}

/** A lease that was taken. */
export interface LeaseGrant extends LeaseRequest {
  readonly epoch: Epoch;
}

/**
 * Where leases live: one per partition. Time is the store's own, never the caller's. Failures are `transient`; after one
 * of them nobody knows whether the change was made.
 */
export interface LeaseStore extends AsyncDisposable {
  /**
   * Takes the lease when nobody holds it, when it has expired, or when the caller itself holds it; durable when it
   * resolves. The answer tells who holds it now. Cheap while another holds it, for it is asked again and again.
   */
  take(request: LeaseRequest, signal: AbortSignal): Promise<LeaseView>;
  /** Holds the lease for another `ttlMs` from now; false when somebody else has taken it or it was released. */
  renew(grant: LeaseGrant, signal: AbortSignal): Promise<boolean>;
  /** Lets the next one take it at once. Does nothing when it is no longer the caller's. */
  release(grant: LeaseGrant, signal: AbortSignal): Promise<void>;
}
