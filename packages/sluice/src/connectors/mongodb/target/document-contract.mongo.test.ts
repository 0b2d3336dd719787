import { after, before } from 'node:test';
import { findField } from '../../../bson/elements.ts';
import { type DocumentSinkFixture, documentSinkContract } from '../../../testing/contracts/document-sink.ts';
import { testMongo } from '../../../testing/servers/mongo.ts';
import { TargetFixture } from './target-fixture.ts';

let fixture: TargetFixture;
before(async () => {
  fixture = await TargetFixture.open(await testMongo());
});
after(() => fixture[Symbol.asyncDispose]());

const kinds = [{}, { guard: 'version' }, { guard: 'version', delivery: 'exactly-once' }] as const;

for (const settings of kinds) {
  const guarded = 'guard' in settings;
  const name = ['mongodb', ...Object.values(settings)].join(' ');
  const lanes = !('delivery' in settings);
  // A drop and a rename are commands here, and follow the order of the stream.
  const promises = { guarded, sweeps: guarded, empties: false, renames: false, lanes, asks: !guarded };
  documentSinkContract(name, promises, async () => contractFixture(settings));
}

function contractFixture(settings: Record<string, unknown>): DocumentSinkFixture {
  return {
    open: () => fixture.sink(settings),
    async documents(coll) {
      const found = await fixture.raw(coll);
      return new Map(found.map((raw) => [nameOf(raw), raw.readInt32LE(raw.indexOf('\x10n\0', 0, 'latin1') + 3)]));
    },
    nameOf: (key) => nameOf(Buffer.from(key)),
  };
}

/** Type and bytes of the `_id`. */
function nameOf(document: Buffer): string {
  const id = findField(document, '_id');
  return `${id?.type} ${Buffer.from(id?.bytes ?? []).toString('hex')}`;
}
