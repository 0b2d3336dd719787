/** The hosts of a connection string, in one order, as text to compare. */
export function hostsOf(uri: string): string {
  const hosts = /^[^:]+:\/\/(?:.*@)?([^/?]*)/.exec(uri)?.[1] ?? '';
  return hosts.toLowerCase().split(',').toSorted().join();
}
