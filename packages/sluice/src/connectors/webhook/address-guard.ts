import { BlockList, isIP } from 'node:net';
import { SluiceError } from '../../core/failure.ts';

/** True allows addresses of private networks and of this machine; a list allows what lies in its CIDR ranges. */
export type AllowedAddresses = boolean | readonly string[];

/** Loopback, RFC 1918, RFC 6598 (CGNAT) and unique local addresses: what `allowPrivate: true` lets through. */
const PRIVATE = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '::1/128',
  'fc00::/7',
];

/**
 * Never a service of somebody: link-local with the metadata of clouds, multicast, "this network", ranges for protocols
 * and documentation (IANA's special-purpose registries), and the ranges that carry an IPv4 address inside an IPv6 one.
 */
const SPECIAL = [
  '0.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/96',
  '::ffff:0:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/32',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '5f00::/16',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
];

/** Metadata and host services of clouds that lie in ranges which are private or public otherwise. */
const CLOUD = ['100.100.100.200/32', '168.63.129.16/32', 'fd00:ec2::254/128', 'fd20:ce::254/128'];

/** True for an IPv4 or IPv6 range such as `10.1.0.0/16` or `fd12::/48`. */
export function isCidr(text: string): boolean {
  const [address = '', prefix = '', ...more] = text.split('/');
  const version = isIP(address);
  return (
    version !== 0 &&
    !address.includes('%') &&
    more.length === 0 &&
    /^\d{1,3}$/.test(prefix) &&
    Number(prefix) <= (version === 4 ? 32 : 128)
  );
}

function rangesOf(cidrs: readonly string[]): BlockList {
  const ranges = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/');
    ranges.addSubnet(address, Number(prefix), isIP(address) === 4 ? 'ipv4' : 'ipv6');
  }
  return ranges;
}

const privateRanges = rangesOf(PRIVATE);
const specialRanges = rangesOf(SPECIAL);
const cloudRanges = rangesOf(CLOUD);

/** Decides which addresses may be connected to. Asked for every literal and every resolved address at each connection. */
export class AddressGuard {
  readonly #allowed: BlockList;
  readonly #allowPrivate: boolean;

  constructor(allow: AllowedAddresses) {
    this.#allowPrivate = allow === true;
    this.#allowed = rangesOf(typeof allow === 'boolean' ? [] : allow);
  }

  /** Why there must be no connection to the address; undefined when there may be one. An IPv4 address in IPv6 form counts as itself. */
  refusal(address: string): 'private' | 'special' | undefined {
    const [plain = ''] = address.split('%');
    const version = isIP(plain);
    if (version === 0) return 'special';
    const family = version === 4 ? 'ipv4' : 'ipv6';
    if (this.#allowed.check(plain, family)) return undefined;
    if (cloudRanges.check(plain, family)) return 'special';
    // Before the special ones: the loopback address ::1 lies in ::/96, whose other addresses carry IPv4 ones.
    if (privateRanges.check(plain, family)) return this.#allowPrivate ? undefined : 'private';
    return specialRanges.check(plain, family) ? 'special' : undefined;
  }

  /** Throws `config` when there must be no connection. `name` is what the address was found for. */
  check(address: string, name: string): void {
    const why = this.refusal(address);
    if (why !== undefined) throw addressRefused(address, name, why);
  }
}

function addressRefused(address: string, name: string, why: 'private' | 'special'): SluiceError {
  const what = address === name ? address : `${name} leads to ${address}, which`;
  const kind = why === 'private' ? 'a private address' : 'an address of a special range (link-local, multicast, …)';
  return new SluiceError(`${what} is ${kind}: no connection is made to it`, {
    kind: 'config',
    code: 'webhook.address-refused',
    hint:
      why === 'private'
        ? 'If the endpoint is meant to be in your own network, set `allowPrivate: true`, or list its ranges: `allowPrivate: ["10.1.0.0/16"]`.'
        : 'If the endpoint is really there, list its range: `allowPrivate: ["169.254.10.0/24"]`.',
  });
}
