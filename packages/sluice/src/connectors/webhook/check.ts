import type { Socket } from 'node:net';
import type { ConnectorContext, Finding } from '../../core/connector.ts';
import { isAbort } from '../../core/failure.ts';
import { classifyClientError } from './classify.ts';
import { shownUrl, type WebhookSinkConfig } from './config.ts';
import { guardedConnector, type Lookup } from './connector.ts';
import { DeadlineError, withDeadline } from './deadline.ts';

/**
 * Resolves the name, looks at the addresses and connects, with TLS where the URL wants it. Sends no request: endpoints answer
 * others than the real ones as they like, and some would act on them.
 */
export async function checkWebhookSink(
  config: WebhookSinkConfig,
  context: ConnectorContext,
  options: { readonly lookup?: Lookup } = {},
): Promise<readonly Finding[]> {
  const reachable = await checkConnection(config, context.signal, options.lookup);
  return [reachable, ...checkSigning(config), ...checkScheme(config)];
}

async function checkConnection(config: WebhookSinkConfig, signal: AbortSignal, lookup?: Lookup): Promise<Finding> {
  const check = 'webhook.reachable';
  const shown = shownUrl(config);
  try {
    await withDeadline((own) => connectOnce(config, { shown, signal: own, lookup }), {
      timeoutMs: config.timeout,
      signal,
    });
    const how = shown.startsWith('https:') ? 'with a certificate that is trusted' : 'without TLS';
    return { check, level: 'ok', message: `${shown} can be connected to, ${how}` };
  } catch (error) {
    if (isAbort(error, signal)) throw error;
    if (error instanceof DeadlineError) {
      return {
        check,
        level: 'error',
        message: `no connection to ${shown} within ${config.timeout / 1000} s`,
        fix: 'Check `url` and firewalls on the way.',
      };
    }
    const { message, hint } = classifyClientError(error, shown);
    return { check, level: 'error', message, fix: hint };
  }
}

interface ConnectOptions {
  readonly shown: string;
  readonly signal: AbortSignal;
  readonly lookup: Lookup | undefined;
}

async function connectOnce(config: WebhookSinkConfig, { shown, signal, lookup }: ConnectOptions): Promise<void> {
  const connect = await guardedConnector(config, lookup);
  const { protocol, hostname, host, port } = new URL(shown);
  const socket = await new Promise<Socket>((resolve, reject) => {
    connect({ protocol, hostname, host, port }, (error, connected) => {
      if (error !== null) reject(error);
      else if (signal.aborted) connected.destroy();
      else resolve(connected);
    });
  });
  socket.destroy();
}

function checkSigning({ signing }: WebhookSinkConfig): readonly Finding[] {
  if (signing.length > 0) return [];
  return [
    {
      check: 'webhook.signing',
      level: 'warning',
      message: 'requests are not signed, so the endpoint cannot know who sent them',
      fix: 'Set `signing` to a secret that the endpoint knows: whsec_ and the output of `openssl rand -base64 32`.',
    },
  ];
}

function checkScheme(config: WebhookSinkConfig): readonly Finding[] {
  if (shownUrl(config).startsWith('https:')) return [];
  return [
    {
      check: 'webhook.tls',
      level: 'warning',
      message: 'events are sent over http:// and can be read and changed on the way',
      fix: 'Use https:// unless the endpoint is on this machine.',
    },
  ];
}
