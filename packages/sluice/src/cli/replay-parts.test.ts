import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PipelineConfig } from '../config/config.ts';
import type { BrokerMessage } from '../core/broker-message.ts';
import type { DeadLetter } from '../core/dead-letter.ts';
import { createDecoder } from '../formats/decode/decoder.ts';
import type { DecoderConfig } from '../formats/decode/decoder-config.ts';
import { testEvent } from '../testing/events.ts';
import { LetterReader } from './replay-parts.ts';

function reader(format: DecoderConfig | undefined): Promise<LetterReader> {
  return LetterReader.of({ source: { format } } as PipelineConfig);
}

function letter(raw: Uint8Array | undefined): DeadLetter {
  return { raw } as DeadLetter;
}

/** The raw form of a tombstone that the format `change` cannot decode. */
function undecodable(): Uint8Array {
  const tombstone: BrokerMessage = {
    topic: 'p.shop.orders',
    place: 'p.shop.orders/0@5',
    sequence: 5,
    key: Buffer.from('{"id":"7"}'),
    value: null,
    headers: new Map(),
    timestampMs: 1_795_238_841_000,
    position: { token: '', clusterTime: { t: 0, i: 0 } },
  };
  const event = createDecoder({ name: 'change' }).decode(tombstone);
  assert.ok(event);
  assert.throws(() => event.key(), { code: 'decode.unexpected-form' });
  return event.raw;
}

test('a letter is decoded with the format that the pipeline has now', async () => {
  const raw = undecodable();
  assert.equal((await reader({ name: 'document' })).read(letter(raw))?.op, 'delete');
  const still = (await reader({ name: 'change' })).read(letter(raw));
  assert.throws(() => still?.after(), { code: 'decode.unexpected-form' });
});

test('a letter that decodes to nothing is no event, and none that cannot be read', async () => {
  assert.equal((await reader({ name: 'debezium' })).read(letter(undecodable())), undefined);
});

test('letters with an event are events, whatever reads them; others cannot be read', async () => {
  for (const format of [undefined, { name: 'debezium' }] as const) {
    const { raw, id } = testEvent();
    const letters = await reader(format);
    assert.equal(letters.read(letter(raw))?.id, id);
    assert.throws(() => letters.read(letter(undefined)), /could not hold/);
    assert.throws(() => letters.read(letter(Buffer.from('x'))), { kind: 'rejected' });
  }
});
