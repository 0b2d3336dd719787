export { natsSink } from './sink.ts';
