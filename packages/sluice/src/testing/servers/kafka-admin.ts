import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { Admin, alterUserScramCredentialsV0, Connection } from '@platformatic/kafka';

/** The two SCRAM mechanisms of Kafka, as its clients name them. */
export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

const CALL_LIMIT_MS = 10_000;
const ONE_TRY = {
  clientId: 'sluice-test-bed',
  retries: 0,
  connectTimeout: CALL_LIMIT_MS,
  requestTimeout: CALL_LIMIT_MS,
};
const SCRAM_ITERATIONS = 4096;
const SCRAM_PARAMETERS = {
  'SCRAM-SHA-256': { id: 1, hash: 'sha256', bytes: 32 },
  'SCRAM-SHA-512': { id: 2, hash: 'sha512', bytes: 64 },
} as const;

/** How many brokers the cluster at `broker` (host:port, plain text) says it has; rejects when it does not answer. */
export async function countBrokers(broker: string): Promise<number> {
  const admin = new Admin({ ...ONE_TRY, bootstrapBrokers: [broker] });
  try {
    const metadata = await admin.metadata({ topics: [], forceUpdate: true });
    return metadata.brokers.size;
  } finally {
    await admin.close();
  }
}

/** True when this user gets in at `broker`; rejects when not. `ca`: the listener speaks TLS. */
export async function canLogIn(
  broker: string,
  { mechanism, user, password }: { mechanism: ScramMechanism; user: string; password: string },
  ca: string | undefined,
): Promise<true> {
  const admin = new Admin({
    ...ONE_TRY,
    bootstrapBrokers: [broker],
    sasl: { mechanism, username: user, password },
    ...(ca === undefined ? {} : { tls: { ca } }),
  });
  try {
    await admin.metadata({ topics: [], forceUpdate: true });
    return true;
  } finally {
    await admin.close();
  }
}

/** Sets the SCRAM password of a user (who need not exist yet) through a listener that needs no login. */
export async function setScramPassword(
  broker: string,
  mechanism: ScramMechanism,
  user: { readonly user: string; readonly password: string },
): Promise<void> {
  const { id, hash, bytes } = SCRAM_PARAMETERS[mechanism];
  const salt = randomBytes(16);
  const saltedPassword = pbkdf2Sync(user.password, salt, SCRAM_ITERATIONS, bytes, hash);
  const change = { name: user.user, mechanism: id, iterations: SCRAM_ITERATIONS, salt, saltedPassword };
  const [host = '', port = ''] = broker.split(':');
  const connection = new Connection('sluice-test-bed', {
    connectTimeout: CALL_LIMIT_MS,
    requestTimeout: CALL_LIMIT_MS,
  });
  await connection.connect(host, Number(port));
  try {
    await alterUserScramCredentialsV0.api.async(connection, [], [change]);
  } finally {
    await connection.close();
  }
}
