import { isIPv4, isIPv6 } from 'node:net';
import { z } from 'zod';
import { SCALAR_KIND, type ScalarKind } from '../settings/scalars.ts';

/** Where the HTTP endpoint listens. */
export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system choose a free one. */
  readonly port: number;
}

const PATTERN = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/;

/** `host:port`, with brackets around an IPv6 address; undefined when it is not one. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const [, v6, name, digits = ''] = PATTERN.exec(text) ?? [];
  const port = Number.parseInt(digits, 10);
  const host = v6 ?? name;
  if (host === undefined || port > 65_535 || (v6 !== undefined && !isIPv6(v6))) return undefined;
  return { host, port };
}

/** True when only this machine can reach the address. Unusual spellings of 127.0.0.1 count as reachable by others. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.');
  return host === 'localhost' || host === '::1';
}

/** `host:port` in a configuration. */
export function listenAddress(defaultText: string) {
  return z
    .string()
    .transform((text, context) => {
      const address = parseListenAddress(text);
      if (address !== undefined) return address;
      const message = 'must be an address and a port, such as "127.0.0.1:8380" or "[::1]:8380"';
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .meta({ [SCALAR_KIND]: 'address' satisfies ScalarKind })
    .prefault(defaultText);
}
