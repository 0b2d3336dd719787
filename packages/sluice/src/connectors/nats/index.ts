export { natsSink } from './sink.ts';
export { natsSource } from './source.ts';
