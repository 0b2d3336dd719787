import type { Secret } from '../settings/secret.ts';

/** The stages of an aggregation pipeline that a transform can be. */
export const STAGES = [
  '$match',
  '$project',
  '$set',
  '$addFields',
  '$unset',
  '$replaceWith',
  '$replaceRoot',
  '$redact',
] as const;
export type Stage = (typeof STAGES)[number];

/** One item of `transforms`, validated: what it does, and to which namespaces. */
export interface TransformSetting {
  readonly action: TransformAction;
  /** Patterns over database.collection; undefined for all. */
  readonly namespaces: readonly string[] | undefined;
}

export type TransformAction =
  | { readonly kind: 'stage'; readonly stage: Stage; readonly body: unknown }
  | { readonly kind: 'rename-namespaces'; readonly rules: Readonly<Record<string, string>> }
  | { readonly kind: 'rename-fields'; readonly fields: Readonly<Record<string, string>> }
  | { readonly kind: 'drop'; readonly fields: readonly string[] }
  | { readonly kind: 'mask'; readonly fields: readonly string[]; readonly text: string }
  | { readonly kind: 'hash'; readonly fields: readonly string[]; readonly key: Secret }
  | { readonly kind: 'module'; readonly path: string; readonly exportName: string };
