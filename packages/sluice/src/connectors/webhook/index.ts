export { webhookSink } from './sink.ts';
