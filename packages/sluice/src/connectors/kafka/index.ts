export { checkKafkaDeadLetters } from './check.ts';
export { kafkaSink } from './connector.ts';
export { openKafkaDeadLetters } from './dead-letter.ts';
