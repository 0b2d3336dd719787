export { checkKafkaDeadLetters } from './check.ts';
export { openKafkaDeadLetters } from './dead-letter.ts';
export { kafkaSink } from './sink.ts';
