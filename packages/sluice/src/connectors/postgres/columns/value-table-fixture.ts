import {
  array,
  binary,
  boolean,
  code,
  codeWithScope,
  date,
  dbPointer,
  decimal128,
  decimalOf,
  document,
  double,
  embedded,
  int32,
  int64,
  maxKey,
  minKey,
  nothing,
  objectId,
  oldBinary,
  regex,
  string,
  symbol,
  timestamp,
  undef,
  type Value,
} from '../../../bson/test-support/bson-bytes.ts';
import type { ColumnType } from './column-types.ts';

/** A value and the texts it has in columns; in a type of column that is not named it does not fit. */
export type ValueCase = readonly [
  what: string,
  value: Value,
  texts: Readonly<Partial<Record<ColumnType, string | null>>>,
];

const ID = '0123456789abcdef01234567';
const UUID = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const MOST_DIGITS = 10n ** 34n - 1n;
const FIRST_MS = -210_866_803_200_000n;
const END_MS = 9_224_318_016_000_000n;

const number = (text: string) => ({ bigint: text, numeric: text, 'double precision': text, text, jsonb: text });
const anywhere = (text: string | null) => ({
  text,
  bigint: text,
  'double precision': text,
  numeric: text,
  boolean: text,
  timestamptz: text,
  bytea: text,
  uuid: text,
  jsonb: text,
});
const string_ = (text: string) => ({ text, jsonb: JSON.stringify(text) });
const time = (ms: bigint, iso: string, input?: string): ValueCase => [
  `date ${ms}`,
  date(ms),
  { text: iso, jsonb: `"${iso}"`, ...(input === undefined ? {} : { timestamptz: input }) },
];

/** Values of every type, the extremes included, as they are written with the options `OPTIONS`. */
export const VALUE_CASES: readonly ValueCase[] = [
  ['null', nothing, anywhere(null)],
  ['undefined', undef, anywhere(null)],

  ...[0, 1, -1, 999_999, 1_000_000, 2 ** 31 - 1, -(2 ** 31)].map(
    (n): ValueCase => [`int32 ${n}`, int32(n), number(String(n))],
  ),
  ...[
    0n,
    -1n,
    1_000_000n,
    10_000_000_005n,
    -10_000_000_005n,
    2n ** 53n - 1n,
    1n - 2n ** 53n,
    2_147_483_648_000_000n,
  ].map((n): ValueCase => [`int64 ${n}`, int64(n), number(String(n))]),
  ...[2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)].map((n): ValueCase => {
    const text = String(n);
    return [`int64 ${n}`, int64(n), { bigint: text, numeric: text, text, jsonb: text }];
  }),

  ['double 1.5', double(1.5), { 'double precision': '1.5', numeric: '1.5', text: '1.5', jsonb: '1.5' }],
  ['double 2.0', double(2), { ...number('2'), text: '2.0', jsonb: '2.0' }],
  ['double -0.0', double(-0), { ...number('0'), 'double precision': '-0', text: '0.0', jsonb: '-0.0' }],
  [
    'double 2^53',
    double(2 ** 53),
    {
      'double precision': '9007199254740992',
      numeric: '9007199254740992',
      text: '9007199254740992.0',
      jsonb: '9007199254740992.0',
    },
  ],
  [
    'double 1e21',
    double(1e21),
    { 'double precision': '1e+21', numeric: '1e+21', text: `1${'0'.repeat(21)}`, jsonb: '1e+21' },
  ],
  [
    'double 1.5e-7',
    double(1.5e-7),
    { 'double precision': '1.5e-7', numeric: '1.5e-7', text: '0.00000015', jsonb: '1.5e-7' },
  ],
  [
    'smallest double',
    double(5e-324),
    { 'double precision': '5e-324', numeric: '5e-324', text: `0.${'0'.repeat(323)}5`, jsonb: '5e-324' },
  ],
  [
    'largest double',
    double(-Number.MAX_VALUE),
    {
      'double precision': '-1.7976931348623157e+308',
      numeric: '-1.7976931348623157e+308',
      text: `-17976931348623157${'0'.repeat(292)}`,
      jsonb: '-1.7976931348623157e+308',
    },
  ],
  ...[Number.NaN, Infinity, -Infinity].map((n): ValueCase => {
    const text = String(n);
    return [`double ${n}`, double(n), { 'double precision': text, numeric: text, text, jsonb: `"${text}"` }];
  }),

  ['decimal 1.10', decimalOf(110n, -2), { numeric: '1.10', text: '1.10', jsonb: '1.10' }],
  ['decimal -0', decimalOf(0n, 0, true), { numeric: '-0', text: '0', jsonb: '-0' }],
  ['decimal -0.00', decimalOf(0n, -2, true), { numeric: '-0.00', text: '0.00', jsonb: '-0.00' }],
  ['decimal 1E+3', decimalOf(1n, 3), { numeric: '1E+3', text: '1000', jsonb: '1E+3' }],
  [
    'largest decimal',
    decimalOf(MOST_DIGITS, 6111),
    {
      numeric: `9.${'9'.repeat(33)}E+6144`,
      text: '9'.repeat(34) + '0'.repeat(6111),
      jsonb: `9.${'9'.repeat(33)}E+6144`,
    },
  ],
  [
    'smallest decimal',
    decimalOf(1n, -6176, true),
    { numeric: '-1E-6176', text: `-0.${'0'.repeat(6175)}1`, jsonb: '-1E-6176' },
  ],
  [
    'decimal of all digits',
    decimalOf(MOST_DIGITS, -17),
    {
      numeric: `${'9'.repeat(17)}.${'9'.repeat(17)}`,
      text: `${'9'.repeat(17)}.${'9'.repeat(17)}`,
      jsonb: `${'9'.repeat(17)}.${'9'.repeat(17)}`,
    },
  ],
  ['decimal zero with a large exponent', decimalOf(0n, 6111), { numeric: '0E+6111', text: `0`, jsonb: '0E+6111' }],
  ['decimal NaN', decimal128('7c000000000000000000000000000000'), { numeric: 'NaN', text: 'NaN', jsonb: '"NaN"' }],
  [
    'decimal Infinity',
    decimal128('78000000000000000000000000000000'),
    { numeric: 'Infinity', text: 'Infinity', jsonb: '"Infinity"' },
  ],
  [
    'decimal -Infinity',
    decimal128('f8000000000000000000000000000000'),
    { numeric: '-Infinity', text: '-Infinity', jsonb: '"-Infinity"' },
  ],

  ['true', boolean(true), { boolean: 'true', text: 'true', jsonb: 'true' }],
  ['false', boolean(false), { boolean: 'false', text: 'false', jsonb: 'false' }],

  time(0n, '1970-01-01T00:00:00.000Z', '1970-01-01T00:00:00.000Z'),
  time(1_795_238_840_886n, '2026-11-21T05:27:20.886Z', '2026-11-21T05:27:20.886Z'),
  time(-1n, '1969-12-31T23:59:59.999Z', '1969-12-31T23:59:59.999Z'),
  time(951_782_400_000n, '2000-02-29T00:00:00.000Z', '2000-02-29T00:00:00.000Z'),
  time(253_402_300_799_999n, '9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'),
  time(253_402_300_800_000n, '+010000-01-01T00:00:00.000Z', '10000-01-01T00:00:00.000Z'),
  time(-62_135_596_800_000n, '0001-01-01T00:00:00.000Z', '0001-01-01T00:00:00.000Z'),
  time(-62_135_596_800_001n, '0000-12-31T23:59:59.999Z', '0001-12-31T23:59:59.999Z BC'),
  time(FIRST_MS, '-004713-11-24T00:00:00.000Z', '4714-11-24T00:00:00.000Z BC'),
  time(FIRST_MS - 1n, '-004713-11-23T23:59:59.999Z'),
  time(END_MS - 1n, '+294276-12-31T23:59:59.999Z', '294276-12-31T23:59:59.999Z'),
  time(END_MS, '+294277-01-01T00:00:00.000Z'),
  time(2n ** 63n - 1n, '+292278994-08-17T07:12:55.807Z'),
  time(-(2n ** 63n), '-292275055-05-16T16:47:04.192Z'),

  ['empty text', string(''), string_('')],
  [
    'text',
    string('a "quoted" \\ text\n\twith what JSON escapes \u0001'),
    string_('a "quoted" \\ text\n\twith what JSON escapes \u0001'),
  ],
  ['text outside of ASCII', string('ключ 漢 😀 é'), string_('ключ 漢 😀 é')],
  ['text with a replacement character', string('a\ufffdb'), string_('a\ufffdb')],
  ['long text', string('long text '.repeat(100)), string_('long text '.repeat(100))],
  ['text with NUL characters', string('a\0b\0'), string_('ab')],
  ['long text with NUL characters', string(`${'漢'.repeat(40)}\0`), string_('漢'.repeat(40))],
  ['text like a number', string('12'), string_('12')],
  ['text null', string('null'), string_('null')],
  ['object id', objectId(ID), string_(ID)],

  ['no bytes', binary(0, Buffer.alloc(0)), { bytea: '\\x', text: '', jsonb: '""' }],
  ['bytes', binary(0, Buffer.from([0, 255, 1])), { bytea: '\\x00ff01', text: 'AP8B', jsonb: '"AP8B"' }],
  ['bytes of old times', oldBinary(Buffer.from([0, 255])), { bytea: '\\x00ff', text: 'AP8=', jsonb: '"AP8="' }],
  [
    'UUID',
    binary(4, UUID),
    {
      bytea: `\\x${UUID.toString('hex')}`,
      ...string_('00112233-4455-6677-8899-aabbccddeeff'),
      uuid: '00112233-4455-6677-8899-aabbccddeeff',
    },
  ],
  [
    'UUID of old drivers',
    binary(3, UUID),
    { bytea: `\\x${UUID.toString('hex')}`, ...string_(UUID.toString('base64')) },
  ],
  [
    'no UUID after all',
    binary(4, UUID.subarray(1)),
    { bytea: `\\x${UUID.toString('hex', 1)}`, ...string_(UUID.toString('base64', 1)) },
  ],

  ['timestamp', timestamp(2 ** 32 - 1, 7), { jsonb: '{"t":4294967295,"i":7}', text: '{"t":4294967295,"i":7}' }],
  ['regular expression', regex('a"b', 'im'), string_('/a"b/im')],
  ['code', code('f()'), string_('f()')],
  ['code with scope', codeWithScope('g()', document(['x', int32(1)])), string_('g()')],
  ['symbol', symbol('sym'), string_('sym')],
  ['smallest key', minKey, string_('MinKey')],
  ['largest key', maxKey, string_('MaxKey')],
  ['pointer', dbPointer('db.c', ID), { text: `{"$ref":"db.c","$id":"${ID}"}`, jsonb: `{"$ref":"db.c","$id":"${ID}"}` }],

  ['document', embedded(['x', int32(1)]), { text: '{"x":1}', jsonb: '{"x":1}' }],
  ['array', array(int32(1), string('a')), { text: '[1,"a"]', jsonb: '[1,"a"]' }],
];

/** As PostgreSQL from version 14 on is written to. */
export const OPTIONS = { nonFinite: 'text', decimals: 'number', nul: 'strip', numericInfinity: true } as const;
