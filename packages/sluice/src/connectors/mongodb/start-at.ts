import type { ClusterTime } from '../../core/cluster-time.ts';

const TIMESTAMP = /^(\d{1,10}),(\d{1,10})$/;
const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;
const MAX_UINT32 = 2 ** 32 - 1;

/**
 * A cluster time as it is written in the configuration: `1700000000,1` (seconds, increment) or an ISO time with its
 * zone, which stands for the first instant of its second. Undefined when it is neither.
 */
export function parseClusterTime(text: string): ClusterTime | undefined {
  const parts = TIMESTAMP.exec(text);
  if (parts !== null) return checked({ t: Number(parts[1]), i: Number(parts[2]) });
  if (!ISO_TIME.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : checked({ t: Math.floor(ms / 1000), i: 0 });
}

/** Whether the text can be the `_data` of a resume token: whole bytes in hex that begin with a cluster time. */
export function looksLikeToken(text: string): boolean {
  return /^82[0-9a-f]{16}([0-9a-f]{2})+$/i.test(text);
}

function checked(time: ClusterTime): ClusterTime | undefined {
  return time.t > 0 && time.t <= MAX_UINT32 && time.i <= MAX_UINT32 ? time : undefined;
}
