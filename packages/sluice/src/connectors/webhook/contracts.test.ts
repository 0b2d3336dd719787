import { sinkContract } from '../../testing/contracts/sink.ts';
import { HttpEndpoint } from '../../testing/servers/http-endpoint.ts';
import { openSink, settingsFor } from './sink-fixture.ts';

sinkContract('webhook', async () => {
  const endpoint = await HttpEndpoint.start();
  return {
    open: (format) => openSink(settingsFor(endpoint), { format }),
    found: async () =>
      endpoint.taken.map(({ headers, body }) => ({
        key: decodeURIComponent(String(headers['sluice-key'])),
        value: headers['sluice-op'] === 'delete' ? null : body.toString(),
      })),
    cleanup: () => endpoint[Symbol.asyncDispose](),
  };
});

sinkContract('webhook in batches', async () => {
  const endpoint = await HttpEndpoint.start();
  const text = (value: unknown) => (value === null ? null : JSON.stringify(value));
  return {
    open: (format) => openSink(settingsFor(endpoint, { batch: { records: 40 } }), { format }),
    found: async () =>
      endpoint.taken
        .flatMap(({ body }) => (JSON.parse(body.toString()) as { events: { key: unknown; value: unknown }[] }).events)
        .map(({ key, value }) => ({ key: text(key), value: text(value) })),
    cleanup: () => endpoint[Symbol.asyncDispose](),
  };
});
