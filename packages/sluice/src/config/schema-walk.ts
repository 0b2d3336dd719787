import { z } from 'zod';
import { SCALAR_KIND, type ScalarKind } from '../settings/scalars.ts';

type Schema = z.core.$ZodType;

/** One thing a schema accepts, with the wrappers (default, optional, transform, union) taken off. */
export interface SchemaLeaf {
  readonly schema: z.core.$ZodTypes;
  readonly kind: ScalarKind | undefined;
}

/** What the schema accepts, each alternative of a union on its own. */
export function leavesOf(schema: Schema, inherited?: ScalarKind): readonly SchemaLeaf[] {
  const kind = kindOf(schema) ?? inherited;
  const typed = schema as z.core.$ZodTypes;
  const { def } = typed._zod;
  switch (def.type) {
    case 'optional':
    case 'default':
    case 'prefault':
    case 'nullable':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return leavesOf(def.innerType, kind);
    case 'pipe':
      return leavesOf(def.in, kind);
    case 'lazy':
      return leavesOf(def.getter(), kind);
    case 'union':
      return def.options.flatMap((option) => leavesOf(option, kind));
    default:
      return [{ schema: typed, kind }];
  }
}

function kindOf(schema: Schema): ScalarKind | undefined {
  return z.globalRegistry.get(schema)?.[SCALAR_KIND] as ScalarKind | undefined;
}

/** The schemas of the value under one key or index. */
export function childSchemas(schemas: readonly Schema[], step: string | number): readonly Schema[] {
  return schemas.flatMap((schema) => leavesOf(schema)).flatMap(({ schema }) => childOf(schema, step) ?? []);
}

function childOf({ _zod: { def } }: z.core.$ZodTypes, step: string | number): Schema | undefined {
  if (def.type === 'object') return Object.hasOwn(def.shape, step) ? def.shape[step] : undefined;
  if (def.type === 'record') return def.valueType;
  if (def.type === 'array') return def.element;
  return undefined;
}

/** The keys that the objects among these schemas know. */
export function knownKeys(schemas: readonly Schema[]): readonly string[] {
  const leaves = schemas.flatMap((schema) => leavesOf(schema));
  return leaves.flatMap(({ schema: { _zod } }) => (_zod.def.type === 'object' ? Object.keys(_zod.def.shape) : []));
}

/** True when the schemas accept only this JSON type. */
export function acceptsOnly(schemas: readonly Schema[], ...types: readonly z.core.$ZodTypeDef['type'][]): boolean {
  const leaves = schemas.flatMap((schema) => leavesOf(schema));
  return leaves.length > 0 && leaves.every(({ schema }) => types.includes(schema._zod.def.type));
}

/** What the scalar under these schemas means. */
export function scalarKind(schemas: readonly Schema[]): ScalarKind | undefined {
  return schemas.flatMap((schema) => leavesOf(schema)).find(({ kind }) => kind !== undefined)?.kind;
}
