import type { KafkaDeadLetterConfig, KafkaSinkConfig, KafkaSourceConfig } from '../connectors/kafka/config.ts';
import { selectTopics } from '../connectors/kafka/topic-pattern.ts';
import { TopicTemplate } from '../connectors/kafka/topic-template.ts';
import type { MongodbSourceConfig } from '../connectors/mongodb/config.ts';
import { scopeIncludes, scopeOf } from '../connectors/mongodb/scope.ts';
import type { MongodbSinkConfig } from '../connectors/mongodb/target/config.ts';
import type { Registry } from '../connectors/registry-entry.ts';
import type { Namespace } from '../core/change-event.ts';
import type { PipelineConfig } from './config.ts';
import type { Conflict } from './conflicts.ts';
import { hostsOf } from './hosts.ts';

/** Settings about what becomes of events on their way that do not go with the chosen source or sink. */
export function flowConflicts(pipeline: PipelineConfig, registry: Registry): readonly Conflict[] {
  return [
    ...parkedNowhere(pipeline),
    ...unusedLanes(pipeline, registry),
    ...secondPosition(pipeline),
    ...intoItself(pipeline),
    ...intoReadTopics(pipeline),
    ...deadLettersRead(pipeline),
  ];
}

function parkedNowhere({ onDeadLetter, deadLetter }: PipelineConfig): readonly Conflict[] {
  if (onDeadLetter !== 'park' || deadLetter !== undefined) return [];
  const hint = 'set deadLetter: without it the first event that cannot be delivered stops the pipeline';
  return [{ path: ['onDeadLetter'], message: 'park needs a place for dead letters', hint }];
}

function unusedLanes({ concurrency, sink }: PipelineConfig, registry: Registry): readonly Conflict[] {
  if (concurrency === undefined || concurrency === 1) return [];
  if (registry.sinks[sink.name]?.lanes !== true) {
    const message = `the ${sink.name} sink writes everything in one order`;
    return [{ path: ['concurrency'], message, hint: 'remove it' }];
  }
  if (sink.config['delivery'] !== 'exactly-once') return [];
  const message = 'with delivery: exactly-once data and checkpoint are written together, in one lane';
  return [{ path: ['concurrency'], message, hint: 'remove it, or use at-least-once' }];
}

/** Who reads a broker goes on where the broker says; a second position could only contradict it. */
function secondPosition({ source, sink, checkpoint, onPositionLost }: PipelineConfig): readonly Conflict[] {
  if (source.format === undefined) return [];
  const conflicts: Conflict[] = [];
  const keeper = `the ${source.name} source keeps its position in the broker`;
  if (checkpoint.store !== undefined) {
    const path = ['checkpoint', checkpoint.store.name];
    conflicts.push({ path, message: keeper, hint: 'remove this place' });
  }
  if (sink.config['delivery'] === 'exactly-once') {
    const hint = 'use at-least-once; a sink that compares versions applies nothing twice';
    conflicts.push({ path: ['sink', sink.name, 'delivery'], message: `${keeper}, not with the data`, hint });
  }
  if (onPositionLost === 'resnapshot') {
    const message = `the ${source.name} source cannot copy what the broker no longer has`;
    const hint = 'use fail or skip, and start a snapshot in the pipeline that fills the broker';
    conflicts.push({ path: ['onPositionLost'], message, hint });
  }
  return conflicts;
}

/** Every write to what is read would be a change that is read and written again, for ever. */
function intoItself({ source, sink, transforms }: PipelineConfig): readonly Conflict[] {
  if (source.name !== 'mongodb' || sink.name !== 'mongodb') return [];
  const { uri, include, exclude } = source.config as unknown as MongodbSourceConfig;
  const target = sink.config as unknown as MongodbSinkConfig;
  if (hostsOf(uri.reveal()) !== hostsOf(target.uri.reveal())) return [];
  const hint = 'choose another database or collection, or exclude it in the source';
  const renames = transforms.some(({ action }) => action.kind === 'rename-namespaces');
  if (!renames && target.database === '{db}' && target.collection === '{coll}') {
    return [{ path: ['sink', 'mongodb', 'database'], message: 'writes to the very documents that are read', hint }];
  }
  // A collection that takes its name from the source may be any.
  const fixed = !target.database.includes('{');
  const coll = target.collection.includes('{') ? 'any' : target.collection;
  if (!fixed || !scopeIncludes(scopeOf(include, exclude), target.database, coll)) return [];
  const message = `${target.database} is among the namespaces that this pipeline reads: a loop`;
  return [{ path: ['sink', 'mongodb', 'database'], message, hint }];
}

/** The same for topics. Certain for a fixed name; a template may give any name, or the very one that is read. */
function intoReadTopics(pipeline: PipelineConfig): readonly Conflict[] {
  const { source, sink } = pipeline;
  if (source.name !== 'kafka' || sink.name !== 'kafka') return [];
  const { brokers, topics } = source.config as unknown as KafkaSourceConfig;
  const target = sink.config as unknown as KafkaSinkConfig;
  if (!shareBroker(brokers, target.brokers)) return [];
  const path = ['sink', 'kafka', 'topic'];
  const { matches } = selectTopics(topics);
  const written = topicsOf(target.topic, pipeline);
  if (written.every(matches)) {
    const message = `${written[0]} is among the topics that this pipeline reads: a loop`;
    return [{ path, message, hint: 'choose a topic that `topics` of the source does not match' }];
  }
  if (target.topic !== '{db}.{coll}' || !namesComeFromTopics(pipeline)) return [];
  const message = 'writes to the very topics that are read: documents belong where their topic says';
  return [{ path, message, hint: 'choose another topic, or set the format of the source and its namespace' }];
}

/** A namespace that no pattern can mean by itself. */
const SOME: readonly Namespace[] = [
  { db: 'any', coll: 'any' },
  { db: 'Other-1', coll: 'Some_2' },
];

/** Topics that a template gives: those of the only namespace there is, else those of some. */
function topicsOf(template: string, pipeline: PipelineConfig): readonly string[] {
  const { format } = pipeline.source;
  const only = format?.name === 'document' && !isRenamed(pipeline) ? format.namespace : undefined;
  const topics = new TopicTemplate(template);
  const namespaces = only === undefined ? SOME : [only];
  return namespaces.flatMap((namespace) => (['replace', 'delete'] as const).map((op) => topics.topicOf(namespace, op)));
}

function namesComeFromTopics(pipeline: PipelineConfig): boolean {
  const { format } = pipeline.source;
  if (format?.name !== 'document' && format?.name !== 'auto') return false;
  return format.namespace === undefined && !isRenamed(pipeline);
}

function isRenamed({ transforms }: PipelineConfig): boolean {
  return transforms.some(({ action }) => action.kind === 'rename-namespaces' || action.kind === 'module');
}

/** What cannot be decoded would be read as a dead letter, which cannot be decoded, for ever. */
function deadLettersRead({ source, deadLetter }: PipelineConfig): readonly Conflict[] {
  if (source.name !== 'kafka' || deadLetter?.name !== 'kafka') return [];
  const { brokers, topics } = source.config as unknown as KafkaSourceConfig;
  const dead = deadLetter.config as unknown as KafkaDeadLetterConfig;
  if (!shareBroker(brokers, dead.brokers) || !selectTopics(topics).matches(dead.topic)) return [];
  const message = `${dead.topic} is among the topics that this pipeline reads: a loop`;
  const hint = 'choose a topic that `topics` of the source does not match; patterns leave out sluice.dead-letters';
  return [{ path: ['deadLetter', 'kafka', 'topic'], message, hint }];
}

function shareBroker(some: readonly string[], others: readonly string[] | undefined): boolean {
  const normal = (broker: string) => (/:\d+$/.test(broker) ? broker : `${broker}:9092`).toLowerCase();
  const known = new Set(some.map(normal));
  return others?.some((broker) => known.has(normal(broker))) ?? false;
}
