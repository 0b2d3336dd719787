import { createHash, timingSafeEqual } from 'node:crypto';
import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  if (bare === 'localhost') return true;
  const family = isIP(bare);
  return family !== 0 && loopback.check(bare, family === 6 ? 'ipv6' : 'ipv4');
}

/** True when the `Authorization` header carries the token; takes the same time for every wrong one. */
export function carriesToken(authorization: string | undefined, token: string): boolean {
  const given = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1] ?? '';
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

/**
 * True when the `Host` header names this machine. On a loopback endpoint anything else is a page of another origin
 * whose name was pointed at 127.0.0.1 (DNS rebinding).
 */
export function isLocalHostHeader(header: string | undefined): boolean {
  const host = /^(\[[^\]]+\]|[^:]+)(:\d+)?$/.exec(header ?? '')?.[1];
  return host !== undefined && isLoopback(host);
}
