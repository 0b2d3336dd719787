import type { SinkContext } from '../../core/connector.ts';
import { type Logger, silentLogger } from '../../core/logger.ts';
import type { Sink } from '../../core/sink.ts';
import type { HttpEndpoint } from '../../testing/servers/http-endpoint.ts';
import { sinkContext } from '../../testing/sink-writes.ts';
import { webhookSinkConfig } from './config.ts';
import { type OpenOptions, openWebhookSink } from './sink.ts';

/*
 * What the tests of this folder share: sinks that send to a test endpoint, with waits of milliseconds.
 */

/** Waits that nobody notices. */
export const QUICK = {
  retry: { min: '1ms', max: '4ms' },
  breaker: { failures: 3, wait: '2ms', maxWait: '10ms' },
};

/** Settings of a sink that sends to the endpoint. */
export function settingsFor(endpoint: Pick<HttpEndpoint, 'origin'>, more: Record<string, unknown> = {}) {
  return { url: `${endpoint.origin}/hooks`, allowHttp: true, allowPrivate: true, ...QUICK, ...more };
}

/** Opens a sink; everything that `settings` leave out has its default. */
export function openSink(
  settings: Record<string, unknown>,
  context: Partial<SinkContext> = {},
  options: OpenOptions = {},
): Promise<Sink> {
  return openWebhookSink(webhookSinkConfig.parse(settings), sinkContext(context), options);
}

/** A line of a log. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A logger that keeps its lines. */
export function recordingLogger(): Logger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: fields as LogLine['fields'] });
  return { ...silentLogger, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), lines };
}
