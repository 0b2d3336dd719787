import { checkpointStoreContract } from '../../testing/contracts/checkpoint-store.ts';
import { sinkContract } from '../../testing/contracts/sink.ts';
import { readStream } from '../../testing/nats-reader.ts';
import { testNats } from '../../testing/servers/nats.ts';
import { addStream, openSink, settingsFor } from './sink-fixture.ts';

const text = (bytes: Buffer) => (bytes.length === 0 ? null : bytes.toString());

/** `{key}` of the subject is the number of the document, percent-encoded only where it is negative. */
const keyOf = (subject: string) => `{"_id":${subject.split('.').at(-1)}}`;

for (const delivery of ['at-least-once', 'exactly-once'] as const) {
  for (const atomic of [true, false]) {
    sinkContract(`nats ${delivery}${atomic ? '' : ' without atomic batches'}`, async () => {
      const servers = await testNats();
      const settings = settingsFor(servers, { delivery });
      const { stream } = settings;
      if (!atomic) await addStream(servers, { name: stream, subjects: [`${stream}.>`, `sluice.${stream}.>`] });
      return {
        open: (format) => openSink({ ...settings, subject: `${stream}.{coll}.{key}` }, { format }),
        found: async () =>
          (await readStream({ servers, stream })).map(({ subject, payload }) => ({
            key: keyOf(subject),
            value: text(payload),
          })),
      };
    });
  }
}

checkpointStoreContract('nats', async () => {
  const settings = settingsFor(await testNats(), { delivery: 'exactly-once' });
  return {
    async open() {
      const sink = await openSink(settings);
      if (sink.checkpoints === undefined) throw new Error('an exactly-once sink keeps checkpoints');
      const { claim, save } = sink.checkpoints;
      return { claim, save, [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose]() };
    },
  };
});
