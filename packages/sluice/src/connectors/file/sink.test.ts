import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { BSON } from 'bson';
import type { SinkContext } from '../../core/connector.ts';
import type { Envelope } from '../../core/envelope.ts';
import type { Format } from '../../core/format.ts';
import { type Logger, silentLogger } from '../../core/logger.ts';
import type { Sink, WriteContext } from '../../core/sink.ts';
import { testEvent, testPosition } from '../../testing/events.ts';
import { tempDir } from '../../testing/temp-dir.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { fileSinkConfig } from './config.ts';
import { fileSink } from './index.ts';

const signal = new AbortController().signal;

const numbers: Format = {
  name: 'numbers',
  contentType: 'application/json',
  encode: ({ event }) => ({
    key: Buffer.from('{"_id":1}'),
    value: Buffer.from(JSON.stringify({ n: Number.parseInt(event.position.token, 16) })),
    headers: undefined,
    tombstoneFollows: false,
  }),
};

const bson: Format = {
  ...numbers,
  contentType: 'application/bson',
  encode: (envelope) => {
    const record = numbers.encode(envelope);
    const value = Buffer.from(BSON.serialize(JSON.parse(String(record?.value)) as object));
    return record && { ...record, value };
  },
};

function sinkContext(format: Format, logger: Logger = silentLogger): SinkContext {
  return { pipeline: 'p', partition: 'p/0', logger, signal, format };
}

function open(settings: object, format: Format = numbers, logger?: Logger): Promise<Sink> {
  return fileSink.open(fileSinkConfig.parse(settings), sinkContext(format, logger));
}

function writeContext(): WriteContext {
  const binding = { deployment: 'rs0', fingerprint: 'f' };
  const checkpoint = { partition: 'p/0', epoch: 1, position: testPosition(0), savedAtMs: 0, ...binding };
  return { checkpoint, signal, reject: async () => {} };
}

function envelopes(sequences: readonly number[], coll = 'orders'): Envelope[] {
  return sequences.map((sequence) => ({ event: testEvent({ sequence }), namespace: { db: 'shop', coll } }));
}

const write = (sink: Sink, sequences: readonly number[], coll?: string) =>
  sink.write(envelopes(sequences, coll), writeContext());

async function numbersIn(path: string): Promise<number[]> {
  const text = await readFile(path, 'utf8');
  assert.ok(text === '' || text.endsWith('\n'), 'it ends with a whole line');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { n: number }).n);
}

test('a line cut at any byte is removed when the file is opened again, and only that', async () => {
  await using directory = await tempDir();
  const path = join(directory.path, 'a.ndjson');
  const warnings: object[] = [];
  const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields) };
  const whole = '{"n":1}\n{"n":2}\n';
  for (let cut = 0; cut < '{"n":99}'.length + 1; cut++) {
    await writeFile(path, whole + '{"n":99}'.slice(0, cut));
    await using sink = await open({ path }, numbers, logger);
    await write(sink, [3]);
    assert.deepEqual(await numbersIn(path), [1, 2, 3], `cut after ${cut} bytes`);
  }
  assert.deepEqual(warnings.at(-1), { path, bytes: 8 });
});

test('a torn line longer than the blocks it is searched in is removed', async () => {
  await using directory = await tempDir();
  const path = join(directory.path, 'a.ndjson');
  await writeFile(path, `{"n":1}\n{"n":"${'x'.repeat(3_000_000)}`);
  await using sink = await open({ path });
  await write(sink, [2]);
  assert.deepEqual(await numbersIn(path), [1, 2]);
});

test('zeros behind the last line, left by a power failure, are removed', async () => {
  await using directory = await tempDir();
  const path = join(directory.path, 'a.ndjson');
  await writeFile(path, `{"n":1}\n${'\0'.repeat(5_000)}`);
  await using sink = await open({ path });
  await write(sink, [2]);
  assert.deepEqual(await numbersIn(path), [1, 2]);
});

test('a document cut at any byte is removed when the file is opened again, and only that', async () => {
  await using directory = await tempDir();
  const path = join(directory.path, 'a.bson');
  const document = Buffer.from(BSON.serialize({ n: 1 }));
  for (let cut = 0; cut < document.length; cut++) {
    await writeFile(path, Buffer.concat([document, document, document.subarray(0, cut)]));
    await using sink = await open({ path }, bson);
    await write(sink, [1]);
    assert.deepEqual(await readFile(path), Buffer.concat([document, document, document]), `cut after ${cut} bytes`);
  }
});

test('documents are followed over the borders of blocks', async () => {
  await using directory = await tempDir();
  const path = join(directory.path, 'a.bson');
  const documents = Array.from({ length: 300 }, (_, n) => BSON.serialize({ n, pad: 'x'.repeat((n * 997) % 20_000) }));
  const huge = BSON.serialize({ pad: 'y'.repeat(5_000_000) });
  const whole = Buffer.concat([...documents, huge, ...documents]);
  await writeFile(path, Buffer.concat([whole, huge.subarray(0, 2_000_000)]));
  await using _sink = await open({ path }, bson);
  assert.ok((await readFile(path)).equals(whole));
});

test('a file of something else is left alone', async () => {
  await using directory = await tempDir();
  const path = join(directory.path, 'notes.txt');
  for (const [format, text] of [
    [numbers, 'dear diary'],
    [numbers, 'dear diary\n'],
    [numbers, '{"n":1}\nand then'],
    [bson, '{"n":1}\n'],
    [bson, Buffer.concat([BSON.serialize({ n: 1 }), Buffer.from('and then')])],
  ] as const) {
    await writeFile(path, text);
    await assert.rejects(open({ path }, format), { kind: 'config', code: 'file.not-records' });
    assert.deepEqual(await readFile(path), Buffer.from(text));
  }
});

test('a full file is put aside under the next number, no record is cut in two', async () => {
  await using directory = await tempDir();
  const path = join(directory.path, 'a.ndjson');
  await writeFile(`${path}.000041`, '');
  await using sink = await open({ path, rotate: { bytes: '1KiB' } });
  for (let start = 0; start < 400; start += 20) await write(sink, sequence(start, start + 20));
  const names = (await readdir(directory.path)).toSorted();
  assert.deepEqual(names.slice(0, 4), ['a.ndjson', 'a.ndjson.000041', 'a.ndjson.000042', 'a.ndjson.000043']);
  const inOrder = [...names.slice(1), 'a.ndjson'];
  const all: number[] = [];
  for (const name of inOrder) {
    const found = await numbersIn(join(directory.path, name));
    all.push(...found);
    assert.ok((await readFile(join(directory.path, name))).length <= 1024, name);
  }
  assert.deepEqual(all, sequence(0, 400));
});

test('one batch larger than the limit comes whole', async () => {
  await using directory = await tempDir();
  const path = join(directory.path, 'a.ndjson');
  await using sink = await open({ path, rotate: { bytes: '1KiB' } });
  await write(sink, sequence(0, 500));
  await write(sink, [500]);
  assert.deepEqual(await numbersIn(`${path}.000001`), sequence(0, 500));
  assert.deepEqual(await numbersIn(path), [500]);
});

test('an old file is put aside with the next write', async () => {
  await using directory = await tempDir();
  const path = join(directory.path, 'a.ndjson');
  await using sink = await open({ path, rotate: { age: '1s' } });
  await write(sink, [1]);
  let n = 1;
  await waitFor(
    async () => {
      n += 1;
      await write(sink, [n]);
      return (await readdir(directory.path)).includes('a.ndjson.000001');
    },
    { timeoutMs: 30_000, message: 'the file was put aside', intervalMs: 200 },
  );
  assert.deepEqual([...(await numbersIn(`${path}.000001`)), ...(await numbersIn(path))], sequence(1, n + 1));
});

test('a file that was moved away or removed is begun anew', async () => {
  await using directory = await tempDir();
  const path = join(directory.path, 'a.ndjson');
  await using sink = await open({ path });
  await write(sink, [1]);
  await rename(path, `${path}.old`);
  await write(sink, [2]);
  await rm(path);
  await write(sink, [3]);
  assert.deepEqual(await numbersIn(`${path}.old`), [1]);
  assert.deepEqual(await numbersIn(path), [3]);
});

test('each namespace has its file, more of them than are kept open', async () => {
  await using directory = await tempDir();
  const path = join(directory.path, '{db}', '{coll}.ndjson');
  await using sink = await open({ path });
  const batch = Array.from({ length: 600 }, (_, n) => envelopes([n], `c${n % 200}`)).flat();
  for (let round = 0; round < 2; round++) await sink.write(batch, writeContext());
  for (const coll of [0, 1, 199]) {
    const expected = [coll, coll + 200, coll + 400];
    assert.deepEqual(await numbersIn(join(directory.path, 'shop', `c${coll}.ndjson`)), [...expected, ...expected]);
  }
  const descriptors = await readdir('/proc/self/fd').catch(() => []);
  assert.ok(descriptors.length < 150, `${descriptors.length} descriptors are open`);
});

test('two writes at a time keep their order, and a failure fails all that come behind it', async () => {
  await using directory = await tempDir();
  const path = join(directory.path, 'a.ndjson');
  await using sink = await open({ path });
  assert.equal(sink.limits.batchesInFlight, 2);
  await Promise.all([write(sink, [1, 2]), write(sink, [3]), write(sink, [4])]);
  const failing = new Error('nowhere');
  const poison: Format = {
    ...numbers,
    encode: (envelope) => {
      if (envelope.event.position.token === testPosition(6).token) throw failing;
      return numbers.encode(envelope);
    },
  };
  await using second = await open({ path }, poison);
  const writes = await Promise.allSettled([write(second, [5]), write(second, [6]), write(second, [7])]);
  assert.deepEqual(
    writes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  );
  await assert.rejects(write(second, [8]), failing);
  assert.deepEqual(await numbersIn(path), [1, 2, 3, 4, 5]);
});

test('a write that did not fit is taken back, and the file goes on where it was', async () => {
  await using directory = await tempDir();
  const path = join(directory.path, 'a.ndjson');
  const script = `
    const { fileSink } = await import(${JSON.stringify(import.meta.resolve('./index.ts'))});
    const { silentLogger } = await import(${JSON.stringify(import.meta.resolve('../../core/logger.ts'))});
    const format = { contentType: 'application/json', encode: ({ event }) => ({
      key: null, value: Buffer.from(JSON.stringify({ n: event.n })), headers: undefined, tombstoneFollows: false }) };
    const config = { path: ${JSON.stringify(path)}, envelope: false, rotate: {}, fsync: 'batch' };
    const sink = await fileSink.open(config, { format, logger: silentLogger });
    const batch = (from, to) => Array.from({ length: to - from }, (_, i) => ({ event: { n: from + i } }));
    const context = { signal: new AbortController().signal, reject: async () => {} };
    await sink.write(batch(0, 10), context);
    const error = await sink.write(batch(10, 1000), context).catch((error) => error);
    const later = await sink.write(batch(1000, 1001), context).catch((error) => error);
    await sink[Symbol.asyncDispose]();
    console.log(JSON.stringify([error.kind, error.code, later === error]));
  `;
  const limited = 'ulimit -f 2; exec "$0" --input-type=module -e "$1"';
  const child = spawnSync('bash', ['-c', limited, process.execPath, script], { encoding: 'utf8', timeout: 120_000 });
  assert.equal(child.stdout.trim(), '["config","file.too-large",true]', child.stderr);
  assert.deepEqual(await numbersIn(path), sequence(0, 10));
  await using sink = await open({ path });
  await write(sink, [10]);
  assert.deepEqual(await numbersIn(path), sequence(0, 11));
});

test('paths that cannot be used are refused when the sink is opened', async () => {
  await using directory = await tempDir();
  await writeFile(join(directory.path, 'file'), '');
  await mkdir(join(directory.path, 'dir'));
  const bad = ['dir', 'file/a.ndjson', 'file/{coll}', 'x'.repeat(300)];
  for (const name of bad) {
    await assert.rejects(
      open({ path: join(directory.path, name) }),
      { kind: 'config', code: 'file.bad-path' },
      name.slice(0, 20),
    );
  }
  await assert.rejects(open({ path: '/dev/full' }), { kind: 'config', code: 'file.bad-path' });
});

test('findings tell what is wrong with a place', async () => {
  await using directory = await tempDir();
  await writeFile(join(directory.path, 'file'), '');
  const check = async (name: string) => {
    const config = fileSinkConfig.parse({ path: join(directory.path, name) });
    return (await fileSink.check(config, sinkContext(numbers))).map(({ check, level }) => [check, level]);
  };
  const good = [
    ['file.writable', 'ok'],
    ['file.space', 'ok'],
  ];
  for (const name of ['file', 'new.ndjson', 'a/b/c.ndjson', '{db}/{coll}']) assert.deepEqual(await check(name), good);
  for (const name of ['', 'file/x', 'file/{coll}']) assert.deepEqual(await check(name), [['file.writable', 'error']]);
});

test('settings', () => {
  assert.deepEqual(fileSinkConfig.parse({ path: 'x' }), { path: 'x', envelope: false, rotate: {}, fsync: 'batch' });
  assert.deepEqual(fileSinkConfig.parse({ path: '{db}/{coll}-{date}', rotate: { bytes: '1MiB', age: '1h' } }).rotate, {
    bytes: 1_048_576,
    age: 3_600_000,
  });
  for (const path of ['', '{topic}', '{db', 'a}', 'dir/', '{{db}}']) {
    assert.ok(!fileSinkConfig.safeParse({ path }).success, path);
  }
  assert.ok(!fileSinkConfig.safeParse({ path: 'x', rotate: { bytes: 5 } }).success);
  assert.ok(!fileSinkConfig.safeParse({ path: 'x', fsync: 'sometimes' }).success);
});

function sequence(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}
