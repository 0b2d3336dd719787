import { createRequire } from 'node:module';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import kafkajs, { type Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs';
import { decompressLz4, decompressSnappy } from './decompress.ts';
import type { KafkaSecurity } from './servers/kafka-security.ts';

/** How an independent client reaches the broker. */
export interface KafkaTarget {
  readonly brokers: readonly string[];
  readonly security?: KafkaSecurity | undefined;
}

/** The broker's settings as kafkajs takes them: quiet, and without long retries. */
export function kafkajsConfig(target: KafkaTarget): KafkaConfig {
  const { login, tls } = target.security ?? {};
  const config: KafkaConfig = {
    clientId: 'sluice-test',
    brokers: [...target.brokers],
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 10_000,
    retry: { initialRetryTime: 50, maxRetryTime: 1000, retries: 8 },
  };
  if (tls !== undefined) config.ssl = { ca: [tls.ca] };
  if (login !== undefined) config.sasl = saslOptions(login);
  return config;
}

function saslOptions(login: NonNullable<KafkaSecurity['login']>): SASLOptions {
  const credentials = { username: login.user, password: login.password };
  if (login.mechanism === 'SCRAM-SHA-256') return { mechanism: 'scram-sha-256', ...credentials };
  return { mechanism: 'scram-sha-512', ...credentials };
}

/** A kafkajs client: the independent look at what Sluice wrote, and a second producer where a test needs one. */
export function kafkajsClient(target: KafkaTarget): Kafka {
  return new kafkajs.Kafka(kafkajsConfig(target));
}

/** kafkajs has only gzip of its own. lz4 and snappy can only be read here. */
function registerCodecs(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async (encoder: { readonly buffer: Buffer }) => zstdCompressSync(encoder.buffer),
    decompress: async (compressed: Buffer) => zstdDecompressSync(compressed),
  });
  CompressionCodecs[CompressionTypes.LZ4] = () => ({ decompress: async (packed: Buffer) => decompressLz4(packed) });
  CompressionCodecs[CompressionTypes.Snappy] = () => ({
    decompress: async (packed: Buffer) => decompressSnappy(packed),
  });
}

interface RequestQueue {
  readonly throttledUntil: number;
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

/**
 * kafkajs sets a timer in the past after each answer, for which Node prints a TimeoutNegativeWarning. Nothing is to be
 * checked at these moments, so the timer is left out.
 */
function skipPointlessTimers(): void {
  const load = createRequire(import.meta.url);
  const { prototype } = load('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
  };
}

registerCodecs();
skipPointlessTimers();
