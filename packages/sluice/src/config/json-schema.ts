import { z } from 'zod';
import type { Registry } from '../connectors/registry-entry.ts';
import { SCALAR_KIND } from '../settings/scalars.ts';
import { configSchema, PIPELINE_NAME } from './schema.ts';

/** A JSON Schema, or a part of one. */
export interface JsonSchema {
  readonly [key: string]: unknown;
}

type Mutable = Record<string, unknown>;

/**
 * The JSON Schema of the configuration file as it is written, for editors. Every scalar may also be a reference
 * (`${env:NAME}`), whatever it must be afterwards; secrets must be one.
 */
export function configJsonSchema(registry: Registry): JsonSchema {
  const withReferences = allowReferences(plainJsonSchema(registry)) as Mutable;
  return {
    ...withReferences,
    title: 'Sluice configuration',
    $defs: {
      reference: {
        type: 'string',
        pattern: '\\$\\{(env:[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?|file:[^}]+)\\}',
        description: 'A value from the environment (${env:NAME}, ${env:NAME:-default}) or a file (${file:path}).',
      },
      secret: {
        type: 'string',
        pattern: '^\\$\\{(env:[A-Za-z_][A-Za-z0-9_]*|file:[^}]+)\\}$',
        description: 'A secret, by reference only: ${env:NAME} or ${file:path}.',
      },
    },
  };
}

/** The JSON Schema without references, with the kinds of scalars (`x-sluice-kind`): what the documentation is made of. */
export function plainJsonSchema(registry: Registry): JsonSchema {
  const schema = z.toJSONSchema(configSchema(registry), { io: 'input', unrepresentable: 'any' }) as Mutable;
  const pipelines = (schema['properties'] as Mutable)['pipelines'] as Mutable;
  pipelines['propertyNames'] = { pattern: PIPELINE_NAME.source };
  pipelines['minProperties'] = 1;
  return schema;
}

/** Copies the schema with `anyOf: [..., reference]` around every scalar that a reference may stand for. */
function allowReferences(node: unknown): unknown {
  if (typeof node !== 'object' || node === null) return node;
  if (Array.isArray(node)) return node.map(allowReferences);
  const copied: Mutable = {};
  for (const [key, value] of Object.entries(node)) {
    if (key === SCALAR_KIND) continue;
    copied[key] = KEEP_AS_IS.has(key) ? value : allowReferences(value);
  }
  if ((node as Mutable)[SCALAR_KIND] === 'secret') return secretOnly(copied);
  return isOpenScalar(copied) ? orReference(copied) : copied;
}

/** Their values are data or names, not schemas. */
const KEEP_AS_IS = new Set(['default', 'enum', 'const', 'required', 'propertyNames', 'examples']);

/** A scalar that does not accept every text anyway, and that is no discriminator. */
function isOpenScalar(schema: Mutable): boolean {
  const { type } = schema;
  if (type === 'number' || type === 'integer' || type === 'boolean') return schema['const'] === undefined;
  if (type !== 'string' || schema['const'] !== undefined) return false;
  return ['pattern', 'enum', 'format', 'minLength', 'maxLength'].some((key) => schema[key] !== undefined);
}

function orReference({ description, default: fallback, ...schema }: Mutable): Mutable {
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [schema, { $ref: '#/$defs/reference' }],
  };
}

function secretOnly({ description }: Mutable): Mutable {
  return { ...(description === undefined ? {} : { description }), $ref: '#/$defs/secret' };
}
