export { checkKafkaDeadLetters } from './check.ts';
export { openKafkaDeadLetters } from './dead-letter.ts';
export { kafkaSink } from './sink.ts';
export { kafkaSource } from './source.ts';
export { type TailedMessage, type TailedPartition, tailTopic } from './topic-tail.ts';
