import dns from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { readCertificates } from '../../settings/named-file.ts';
import { AddressGuard } from './address-guard.ts';
import type { WebhookSinkConfig } from './config.ts';

/** Resolves names; Node's own unless a test has another. */
export type Lookup = typeof dns.lookup;

/** What a connector is made from. */
export type ConnectorConfig = Pick<WebhookSinkConfig, 'tls' | 'timeout' | 'allowPrivate'>;

/**
 * Connects, after a look at the address. Node asks `lookup` only for names, so a literal is looked at before; what a name
 * resolves to is looked at in the very lookup whose result is connected to, so that the name cannot lead elsewhere in between.
 * Certificates are always checked. Files are read once.
 */
export async function guardedConnector(
  config: ConnectorConfig,
  lookup: Lookup = dns.lookup,
): Promise<buildConnector.connector> {
  const guard = new AddressGuard(config.allowPrivate);
  const connect = buildConnector({
    ...(await readCertificates(config.tls ?? {}, 'webhook.file')),
    rejectUnauthorized: true,
    allowH2: false,
    timeout: config.timeout,
    lookup: guardedLookup(guard, lookup),
  });
  return (options, callback) => {
    const host = options.hostname.replace(/^\[(.*)\]$/, '$1');
    try {
      if (isIP(host) !== 0) guard.check(host, host);
    } catch (error) {
      // Later, as from a connection: the client does not expect an answer at once.
      setImmediate(() => callback(error as Error, null));
      return;
    }
    connect(options, callback);
  };
}

/** One address that is not allowed is enough to refuse the name: what is connected to is Node's choice among them. */
function guardedLookup(guard: AddressGuard, lookup: Lookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0);
      try {
        for (const { address } of addresses) guard.check(address, hostname);
      } catch (refused) {
        return callback(refused as NodeJS.ErrnoException, '', 0);
      }
      const [first] = addresses;
      if (options.all === true || first === undefined) return callback(null, addresses);
      callback(null, first.address, first.family);
    });
  };
}
