import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFileDeadLetters } from '../connectors/file/dead-letters.ts';
import type { ConnectorContext } from '../core/connector.ts';
import type { DeadLetter } from '../core/dead-letter.ts';
import { silentLogger } from '../core/logger.ts';
import { createDecoder } from '../formats/decode/decoder.ts';
import { runSluice, writeConfig } from '../testing/sluice-process.ts';
import { tempDir } from '../testing/temp-dir.ts';

const signal = new AbortController().signal;
const context: ConnectorContext = { pipeline: 'worker', partition: 'worker/0', logger: silentLogger, signal };

/** The dead letter of a message that the format `change` cannot decode. */
function letter(sequence: number, value: string | null): DeadLetter {
  const event = createDecoder({ name: 'change' }).decode({
    topic: 'p.shop.orders',
    place: `p.shop.orders/0@${sequence}`,
    sequence,
    key: Buffer.from('{"id":"7"}'),
    value: value === null ? null : Buffer.from(value),
    headers: new Map(),
    timestampMs: 1_795_238_841_000,
    position: { token: '', clusterTime: { t: 0, i: 0 } },
  });
  assert.ok(event);
  return {
    id: event.id,
    pipeline: 'worker',
    partition: 'worker/0',
    namespace: 'shop.orders',
    op: event.op,
    key: '?',
    clusterTime: event.version.clusterTime,
    code: 'decode.unexpected-form',
    reason: 'the message cannot be decoded',
    attempts: 1,
    failedAtMs: 1,
    raw: event.raw,
    rawBytes: event.raw.length,
  };
}

test('after a change of format a replay removes the letter of a tombstone that only follows a delete', async () => {
  await using directory = await tempDir('replay');
  const path = join(directory.path, 'dead.ndjson');
  const source = '{"connector":"mongodb","db":"shop","collection":"orders"}';
  await using letters = await openFileDeadLetters({ path }, context);
  const put = [letter(1, `{"op":"d","ts_ms":1,"source":${source}}`), letter(2, null), letter(3, '{"a":')];
  await letters.put(put, signal);
  const config = await writeConfig(directory.path, {
    version: 1,
    pipelines: {
      worker: {
        source: { kafka: { brokers: ['127.0.0.1:9'], topics: ['p.shop.orders'], format: 'debezium' } },
        sink: { file: { path: join(directory.path, 'out.ndjson') } },
        deadLetter: { file: { path } },
      },
    },
  });
  const { code, stdout, stderr } = await runSluice(['dlq', 'replay', '--all', '-c', config, '--json']);
  const { result } = JSON.parse(stdout) as { result: unknown };
  const counts = { delivered: 1, filtered: 1, rejected: 1, unreadable: 0, waiting: 0 };
  assert.deepEqual(result, { pipeline: 'worker', ...counts }, stderr);
  assert.equal(code, 4);
  assert.equal((await readFile(join(directory.path, 'out.ndjson'), 'utf8')).trimEnd().split('\n').length, 1);
  await using after = await openFileDeadLetters({ path }, context);
  const left: DeadLetter[] = [];
  for await (const one of after.list('worker', signal)) left.push(one);
  assert.deepEqual(
    left.map(({ id, attempts }) => [id, attempts]),
    [[put[2]?.id, 2]],
  );
});
