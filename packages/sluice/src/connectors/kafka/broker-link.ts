import { apiVersionsV3, type Connection, clientSoftwareName, clientSoftwareVersion } from '@platformatic/kafka';
import { SluiceError } from '../../core/failure.ts';

/** A request in one of its versions. */
interface ApiCandidate {
  readonly key: number;
  readonly version: number;
}

interface VersionRange {
  readonly minVersion: number;
  readonly maxVersion: number;
}

/**
 * A connection to one broker with the versions that it speaks. They are asked for on every connection, because brokers
 * differ while a cluster is upgraded.
 */
export class BrokerLink {
  readonly connection: Connection;
  readonly #versions: ReadonlyMap<number, VersionRange>;

  private constructor(connection: Connection, versions: ReadonlyMap<number, VersionRange>) {
    this.connection = connection;
    this.#versions = versions;
  }

  /** Asks the broker at the other end for its versions. */
  static async over(connection: Connection): Promise<BrokerLink> {
    const { apiKeys } = await apiVersionsV3.api.async(connection, clientSoftwareName, clientSoftwareVersion);
    return new BrokerLink(connection, new Map(apiKeys.map((range) => [range.apiKey, range])));
  }

  /** The newest of the versions that the broker knows too. Throws a `config` error when there is none. */
  api<T extends ApiCandidate>(candidates: readonly T[], oldestKafka = '2.4'): T {
    for (const api of candidates) {
      const offered = this.#versions.get(api.key);
      if (offered !== undefined && offered.minVersion <= api.version && api.version <= offered.maxVersion) return api;
    }
    throw new SluiceError(`the broker does not offer request ${candidates[0]?.key} in a version that can be used`, {
      kind: 'config',
      code: 'kafka.unsupported-version',
      hint: `Apache Kafka ${oldestKafka} or newer is needed.`,
    });
  }
}
