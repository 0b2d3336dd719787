import { BsonType } from '../bson/elements.ts';
import { TYPE_NAMES } from '../bson/type-names.ts';

/** The types in the order of their bits in a set. */
const TYPES = [...TYPE_NAMES];

const BIT_OF_BYTE = new Int32Array(256);
for (const [bit, [byte]] of TYPES.entries()) BIT_OF_BYTE[byte] = 1 << bit;
const BIT_OF_NAME = new Map(TYPES.map(([, name], bit) => [name, 1 << bit]));

/** A set of BSON types: one bit for each. */
export type TypeSet = number;

/** The set of one type, by its byte; empty for a byte that is no type. */
export function typeBit(byte: number): TypeSet {
  return BIT_OF_BYTE[byte] ?? 0;
}

/** The set of one type, by its name; empty for a name that is no type. */
export function typeBitOf(name: string): TypeSet {
  return BIT_OF_NAME.get(name) ?? 0;
}

/** The names of the types in the set. */
export function typeNames(types: TypeSet): readonly string[] {
  return [...singleTypes(types)].map((type) => TYPES[31 - Math.clz32(type)]?.[1] ?? '');
}

/** The sets of one type that the set is made of. */
export function* singleTypes(types: TypeSet): Generator<TypeSet> {
  for (let rest = types; rest !== 0; rest &= rest - 1) yield rest & -rest;
}

/** The types whose values have fields or elements of their own. */
export const OBJECT = typeBit(BsonType.document);
export const ARRAY = typeBit(BsonType.array);
