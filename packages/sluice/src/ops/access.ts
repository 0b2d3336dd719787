import { createHash, timingSafeEqual } from 'node:crypto';
import { isLoopback } from '../config/listen-address.ts';

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
  const [, v6, name] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(header ?? '') ?? [];
  return isLoopback(v6 ?? name ?? '');
}

/** True when the `Origin` header of a request names the host that it was sent to. A page without one is `null`. */
export function isOwnOrigin(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
}
