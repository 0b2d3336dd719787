import type { Known, Ledger } from './ledger.ts';

const NO_SINK: Known = ['not-supported', 'nothing reads from Kafka into MongoDB here yet'];

/** Notes the options of the MongoDB sink connector: there is nothing here that could do its work. */
export function noteMongoSink(connector: Ledger): void {
  for (const option of connector.names()) connector.note(option, ...NO_SINK);
}
