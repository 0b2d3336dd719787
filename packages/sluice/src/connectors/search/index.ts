import type { SinkConnector } from '../../core/connector.ts';
import { checkSearchSink } from './check.ts';
import type { SearchSinkConfig } from './config.ts';
import { openSearchSink } from './sink.ts';

/** The `search` sink: the documents of each collection in an index, as they are at the source. At least once, by version. */
export const searchSink: SinkConnector<SearchSinkConfig> = { open: openSearchSink, check: checkSearchSink };
