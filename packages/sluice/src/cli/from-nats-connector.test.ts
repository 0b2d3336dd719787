import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NamespaceCache } from '../bson/namespace-cache.ts';
import { parseChangeEvent } from '../bson/raw-change-event.ts';
import { checkConfigText } from '../config/load.ts';
import type { NatsSinkConfig } from '../connectors/nats/config.ts';
import { HeaderWriter } from '../connectors/nats/message-headers.ts';
import { SubjectTemplate } from '../connectors/nats/subject-template.ts';
import { registry } from '../connectors/registry.ts';
import { importNatsConnector } from '../importers/nats-connector.ts';
import {
  type RecordedCollection,
  type RecordedMessage,
  readNatsConnectorRecording,
} from '../testing/nats-connector-recording.ts';
import { pipelineFormat } from './build-pipeline.ts';

const recording = readNatsConnectorRecording();

/** What the imported pipeline publishes for the events that the connector got. */
async function messagesOf({ namespace, events }: RecordedCollection): Promise<RecordedMessage[]> {
  const { yaml } = await importNatsConnector(recording.file, { env: {} });
  const { pipelines } = checkConfigText(yaml, { file: 'sluice.yaml', registry, env: {} }).config;
  const pipeline = pipelines.find(({ source }) => (source.config['include'] as string[]).includes(namespace));
  assert.ok(pipeline !== undefined, yaml);
  const sink = pipeline.sink.config as unknown as NatsSinkConfig;
  const format = await pipelineFormat(pipeline);
  const headers = new HeaderWriter({ ...sink.headers, format, messageIdPrefix: sink.messageIdPrefix ?? 'none' });
  const template = new SubjectTemplate(sink.subject);
  const namespaces = new NamespaceCache();
  return events.flatMap((raw) => {
    const event = parseChangeEvent(Buffer.from(raw, 'base64'), namespaces);
    const record = format.encode({ event, namespace: event.namespace });
    if (record === undefined) return [];
    const id = /^Nats-Msg-Id: (.*)\r\n/.exec(
      headers.lines({ event, namespace: event.namespace }, record.headers, true),
    )?.[1];
    const subject = template.subjectOf(event, event.namespace);
    return [{ subject, headers: { 'Nats-Msg-Id': id ?? '' }, body: String(record.value) }];
  });
}

for (const collection of recording.collections) {
  test(`subjects, message ids and bodies are those of mongodb-nats-connector: ${collection.namespace}`, async () => {
    const messages = await messagesOf(collection);
    for (const [index, recorded] of collection.messages.entries()) {
      assert.deepEqual(messages[index], recorded, `message ${index}`);
    }
    assert.equal(messages.length, collection.messages.length);
  });
}
