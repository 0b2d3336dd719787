import type { Ledger } from './ledger.ts';
import type { Vault } from './vault.ts';

const OPTIONS = ['NATS_URL', 'NATS_SERVER_URL', 'connector.nats.url'] as const;
const DEFAULT_URL = 'nats://127.0.0.1:4222';

/** The settings of the sink that say how to reach NATS: servers, login, TLS. A login in the address is taken out of it. */
export function natsServers(ledger: Ledger, vault: Vault): Readonly<Record<string, unknown>> {
  const used = OPTIONS.find((option) => ledger.text(option) !== undefined);
  for (const option of OPTIONS) {
    if (option === used || used === undefined) ledger.mapped(option, 'sink.nats.servers');
    else ledger.note(option, 'not-needed', `${used} decides`);
  }
  const urls = (used === undefined ? DEFAULT_URL : (ledger.text(used) ?? '')).split(',').map((url) => url.trim());
  const [first = ''] = urls.map(userInfoOf).filter((userInfo) => userInfo !== '');
  return {
    servers: urls.map((url) => url.replace(/^([a-z]+:\/\/)?.*@/i, '').replace(/^(nats|tls):\/\//i, '')),
    login: loginOf(first, vault),
    tls: urls.some((url) => url.toLowerCase().startsWith('tls://')) ? true : undefined,
  };
}

function userInfoOf(url: string): string {
  const at = url.lastIndexOf('@');
  return at < 0 ? '' : url.slice(0, at).replace(/^[a-z]+:\/\//i, '');
}

/** `user:password`, or a token alone. */
function loginOf(userInfo: string, vault: Vault): unknown {
  if (userInfo === '') return undefined;
  const colon = userInfo.indexOf(':');
  if (colon < 0)
    return { method: 'token', token: vault.keep('NATS_TOKEN', 'token of the NATS server', decode(userInfo)) };
  const password = vault.keep('NATS_PASSWORD', 'password of the NATS user', decode(userInfo.slice(colon + 1)));
  return { method: 'password', username: decode(userInfo.slice(0, colon)), password };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
