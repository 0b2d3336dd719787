import type { SourceConnector } from '../../core/connector.ts';
import { checkMongodbSource } from './check.ts';
import type { MongodbSourceConfig } from './config.ts';
import { openMongodbSource } from './source.ts';

export {
  checkMongodbCheckpointStore,
  checkMongodbDeadLetters,
  checkMongodbLeaseStore,
  checkMongodbSchemaStore,
} from './check.ts';
export { openMongodbCheckpointStore } from './checkpoint-store.ts';
export { openMongodbDeadLetters } from './dead-letter.ts';
export { openMongodbLeaseStore } from './lease-store.ts';
export { openMongodbSchemaStore } from './schema-store.ts';
export { mongodbSink } from './target/sink.ts';

/** The change stream of a MongoDB deployment. */
export const mongodbSource: SourceConnector<MongodbSourceConfig> = {
  open: openMongodbSource,
  check: checkMongodbSource,
};
