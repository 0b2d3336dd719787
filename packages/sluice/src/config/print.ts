import { stringify } from 'yaml';
import type { z } from 'zod';
import type { Registry } from '../connectors/registry-entry.ts';
import { redactUri, Secret } from '../settings/secret.ts';
import { formatBytes, formatDuration } from '../settings/units.ts';
import { configSchema } from './schema.ts';
import { childSchemas, scalarKind } from './schema-walk.ts';

/**
 * The effective configuration as plain data the way it is written in the file: durations and sizes with units,
 * secrets as `***`, connection strings without user and password.
 */
export function printableConfig(effective: unknown, registry: Registry): unknown {
  return printable(effective, [configSchema(registry)]);
}

/** `printableConfig` as YAML. */
export function printConfig(effective: unknown, registry: Registry): string {
  return stringify(printableConfig(effective, registry), { lineWidth: 0 });
}

function printable(value: unknown, schemas: readonly z.core.$ZodType[]): unknown {
  const kind = scalarKind(schemas);
  if (value instanceof Secret) return kind === 'uri' ? redactUri(value.reveal()) : value.toString();
  if (kind === 'duration' && typeof value === 'number') return formatDuration(value);
  if (kind === 'bytes' && typeof value === 'number') return formatBytes(value);
  if (kind === 'address') return formatAddress(value as { readonly host: string; readonly port: number });
  if (Array.isArray(value)) return value.map((item, index) => printable(item, childSchemas(schemas, index)));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(entries.map(([key, inner]) => [key, printable(inner, childSchemas(schemas, key))]));
}

function formatAddress({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
