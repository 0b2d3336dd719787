import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { type Certificates, makeCertificates } from './certificates.ts';

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** How clients of a test server log in. */
export type NatsAuth = 'password' | 'token' | 'nkey' | 'creds';

/** What a client needs to get in; what does not apply is undefined. */
export interface NatsSecurity {
  readonly login: { readonly user: string; readonly password: string } | undefined;
  readonly token: string | undefined;
  /** Seed of the user's key. */
  readonly seed: string | undefined;
  /** File with the user's JWT and seed. */
  readonly credsFile: string | undefined;
  readonly tls: Certificates | undefined;
  /** Lines for the configuration of the server. */
  readonly lines: readonly string[];
}

const NO_LIMITS = { subs: -1, data: -1, payload: -1 };
const ACCOUNT_LIMITS = { ...NO_LIMITS, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
const STORAGE_LIMITS = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };

/** Makes users, keys and certificates in `dir`, as asked for. */
export async function makeNatsSecurity(
  dir: string,
  options: { readonly auth?: NatsAuth; readonly tls?: boolean | 'mutual' },
): Promise<NatsSecurity> {
  const tls = options.tls === undefined || options.tls === false ? undefined : await certificates(dir);
  const lines = tls === undefined ? [] : [tlsBlock(tls, options.tls === 'mutual')];
  const none = { login: undefined, token: undefined, seed: undefined, credsFile: undefined, tls, lines };
  if (options.auth === undefined) return none;
  switch (options.auth) {
    case 'password': {
      const login = { user: 'sluice', password: secret() };
      const users = `authorization { users: [{ user: "${login.user}", password: "${login.password}" }] }`;
      return { ...none, login, lines: [...lines, users] };
    }
    case 'token': {
      const token = secret();
      return { ...none, token, lines: [...lines, `authorization { token: "${token}" }`] };
    }
    case 'nkey': {
      const user = nkeys.createUser();
      const users = `authorization { users: [{ nkey: "${user.getPublicKey()}" }] }`;
      return { ...none, seed: seedOf(user), lines: [...lines, users] };
    }
    default: {
      const { credsFile, config } = await operatorMode(dir);
      return { ...none, credsFile, lines: [...lines, ...config] };
    }
  }
}

const secret = () => randomBytes(12).toString('hex');
const seedOf = (pair: KeyPair) => Buffer.from(pair.getSeed()).toString();

async function certificates(dir: string): Promise<Certificates> {
  const folder = join(dir, 'tls');
  await mkdir(folder);
  return makeCertificates(folder);
}

function tlsBlock(files: Certificates, mutual: boolean): string {
  const cert = `cert_file: "${files.serverFile}", key_file: "${files.serverFile}"`;
  return `tls { ${cert}, ca_file: "${files.caFile}", verify: ${mutual} }`;
}

/** An operator with a system account and one account for JetStream, whose user gets a `.creds` file. */
async function operatorMode(dir: string): Promise<{ credsFile: string; config: readonly string[] }> {
  const operator = nkeys.createOperator();
  const [system, account] = [nkeys.createAccount(), nkeys.createAccount()];
  const user = nkeys.createUser();
  const operatorJwt = sign(operator, operator, { name: 'tests', nats: { type: 'operator', version: 2 } });
  const accountJwt = (pair: KeyPair, name: string, limits: object) =>
    sign(operator, pair, { name, nats: { limits, type: 'account', version: 2 } });
  const userJwt = sign(account, user, { name: 'sluice', nats: { ...NO_LIMITS, type: 'user', version: 2 } });
  const credsFile = join(dir, 'user.creds');
  await writeFile(credsFile, credsText(userJwt, seedOf(user)), { mode: 0o600 });
  const preload = [
    `${system.getPublicKey()}: ${accountJwt(system, 'SYS', ACCOUNT_LIMITS)}`,
    `${account.getPublicKey()}: ${accountJwt(account, 'A', { ...ACCOUNT_LIMITS, ...STORAGE_LIMITS })}`,
  ];
  return {
    credsFile,
    config: [
      `operator: ${operatorJwt}`,
      `system_account: ${system.getPublicKey()}`,
      'resolver: MEMORY',
      `resolver_preload: {\n${preload.join('\n')}\n}`,
    ],
  };
}

function sign(issuer: KeyPair, subject: KeyPair, claims: object): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const iat = Math.floor(Date.now() / 1000);
  const body = { jti: secret(), iat, iss: issuer.getPublicKey(), sub: subject.getPublicKey(), ...claims };
  const text = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode(body)}`;
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`;
}

function credsText(jwt: string, seed: string): string {
  const block = (name: string, text: string) => `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
  return `${block('NATS USER JWT', jwt)}\n${block('USER NKEY SEED', seed)}`;
}
