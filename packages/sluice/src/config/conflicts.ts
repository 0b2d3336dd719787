import type { KafkaDeadLetterConfig, KafkaSinkConfig } from '../connectors/kafka/config.ts';
import type { MongodbCheckpointStoreConfig, MongodbSourceConfig } from '../connectors/mongodb/config.ts';
import { scopeIncludes, scopeOf } from '../connectors/mongodb/scope.ts';
import type { Registry } from '../connectors/registry-entry.ts';
import { problemAt } from './checks.ts';
import type { Config, PipelineConfig } from './config.ts';
import { flowConflicts } from './flow-conflicts.ts';
import { hostsOf } from './hosts.ts';
import { missingConnection } from './inherit.ts';
import type { Prepared } from './prepare.ts';
import { type ConfigPath, type ConfigProblem, formatPath } from './problem.ts';

/** Something in a pipeline that contradicts something else, at a path below the pipeline. */
export interface Conflict {
  readonly path: ConfigPath;
  readonly message: string;
  readonly hint: string;
}

/** Where the settings stand in the file, and what can be chosen. */
export interface ConflictContext {
  readonly prepared: Prepared;
  readonly file: string;
  readonly registry: Registry;
}

/** Contradictions between settings that are each fine: loops, places used twice, checkpoints kept twice. */
export function conflictProblems(config: Config, known: ConflictContext): readonly ConfigProblem[] {
  const { prepared, file, registry } = known;
  const inside = config.pipelines.flatMap((pipeline) =>
    [...CHECKS.flatMap((check) => check(pipeline)), ...flowConflicts(pipeline, registry)].map((conflict) => ({
      ...conflict,
      path: ['pipelines', pipeline.name, ...conflict.path],
    })),
  );
  const between = [...sharedPaths(config), ...sharedTransactionalIds(config)];
  return [...inside, ...between].map(({ path, message, hint }) => problemAt(path, message, { prepared, file, hint }));
}

const CHECKS = [unconnected, loops, twoStarts, unreadMatches, twoCheckpoints, mixedTopics, alwaysStalled];

/** A store that says nowhere how to connect, beside a source and a sink of other systems. */
function unconnected({ checkpoint, deadLetter, lease, schema }: PipelineConfig): readonly Conflict[] {
  const stores = [
    ['checkpoint', checkpoint.store],
    ['deadLetter', deadLetter],
    ['lease', lease?.store],
    // Kept beside the checkpoints it misses the same.
    ['schema', missingConnection(checkpoint.store) === undefined ? schema?.store : undefined],
  ] as const;
  return stores.flatMap(([section, store]) => {
    const key = missingConnection(store);
    if (store === undefined || key === undefined) return [];
    const hint = `set it: neither the source nor the sink of this pipeline is a ${store.name} it could be taken from`;
    return [{ path: [section, store.name, key], message: 'is missing', hint }];
  });
}

/** Own collections in the watched namespaces: every write would be a change that is read and saved again, for ever. */
function loops({ source, checkpoint, deadLetter, lease, schema }: PipelineConfig): readonly Conflict[] {
  if (source.name !== 'mongodb') return [];
  const { uri, include, exclude } = source.config as unknown as MongodbSourceConfig;
  const scope = scopeOf(include, exclude);
  const stores = [
    ['checkpoint', checkpoint.store],
    ['deadLetter', deadLetter],
    ['lease', lease?.store],
    ['schema', schema?.store],
  ] as const;
  const conflicts = stores.flatMap(([section, store]) => {
    if (store?.name !== 'mongodb') return [];
    const { uri: own, database, collection } = store.config as unknown as MongodbCheckpointStoreConfig;
    const elsewhere = own !== undefined && hostsOf(own.reveal()) !== hostsOf(uri.reveal());
    if (elsewhere || !scopeIncludes(scope, database, collection)) return [];
    const message = `${database}.${collection} is among the namespaces that this pipeline reads: a loop`;
    return [{ path: [section, 'mongodb'], message, hint: 'exclude it in the source, or keep it in another database' }];
  });
  // Who moves the checkpoints moves what is beside them too.
  const isBeside = ({ path: [section] }: Conflict) => section === 'lease' || section === 'schema';
  const named = conflicts.filter((conflict) => !isBeside(conflict));
  return named.length > 0 ? named : conflicts;
}

/** A copy shows the documents as they are; changes from elsewhere would be in it already, or be missing in between. */
function twoStarts({ source }: PipelineConfig): readonly Conflict[] {
  if (source.name !== 'mongodb') return [];
  const { startAt, snapshot } = source.config as unknown as MongodbSourceConfig;
  if (startAt === 'now' || snapshot.mode === 'never') return [];
  const message = `with snapshot: ${snapshot.mode} the changes begin where the copy is made, so there is no other start`;
  const hint = 'remove startAt, or set snapshot: never';
  return [{ path: ['source', 'mongodb', 'startAt'], message, hint }];
}

/** A query for a collection that is not read would never be asked. */
function unreadMatches({ source }: PipelineConfig): readonly Conflict[] {
  if (source.name !== 'mongodb') return [];
  const { include, exclude, snapshot } = source.config as unknown as MongodbSourceConfig;
  const scope = scopeOf(include, exclude);
  const unread = Object.keys(snapshot.match).filter((name) => {
    const dot = name.indexOf('.');
    return !scopeIncludes(scope, name.slice(0, dot), name.slice(dot + 1));
  });
  return unread.map((name) => ({
    path: ['source', 'mongodb', 'snapshot', 'match', name],
    message: 'is not among the namespaces that this pipeline reads',
    hint: 'check the name, or add it to include',
  }));
}

function twoCheckpoints({ sink, checkpoint }: PipelineConfig): readonly Conflict[] {
  if (sink.config['delivery'] !== 'exactly-once' || checkpoint.store === undefined) return [];
  const message = 'with delivery: exactly-once the sink keeps the checkpoint together with the data';
  return [{ path: ['checkpoint', checkpoint.store.name], message, hint: 'remove this place, or use at-least-once' }];
}

/** Dead letters and checkpoints among the data would be read as data. */
function mixedTopics({ sink, deadLetter }: PipelineConfig): readonly Conflict[] {
  if (sink.name !== 'kafka') return [];
  const { topic, delivery, checkpointTopic, brokers } = sink.config as unknown as KafkaSinkConfig;
  const hint = 'give it a topic of its own';
  const conflicts: Conflict[] = [];
  if (delivery === 'exactly-once' && topic === checkpointTopic) {
    conflicts.push({ path: ['sink', 'kafka', 'checkpointTopic'], message: `${topic} is the topic of the data`, hint });
  }
  if (deadLetter?.name !== 'kafka') return conflicts;
  const dead = deadLetter.config as unknown as KafkaDeadLetterConfig;
  const sameCluster = dead.brokers.some((broker) => brokers.includes(broker));
  if (sameCluster && (dead.topic === topic || dead.topic === checkpointTopic)) {
    const message = `${dead.topic} is already the topic of ${dead.topic === topic ? 'the data' : 'the checkpoints'}`;
    conflicts.push({ path: ['deadLetter', 'kafka', 'topic'], message, hint });
  }
  return conflicts;
}

function alwaysStalled({ source, stallAfterMs }: PipelineConfig): readonly Conflict[] {
  const { maxAwaitTime } = source.config as { readonly maxAwaitTime?: number };
  if (maxAwaitTime === undefined || stallAfterMs >= 2 * maxAwaitTime) return [];
  const message = 'must be at least twice the maxAwaitTime of the source: a quiet stream would count as stalled';
  return [{ path: ['stallAfter'], message, hint: 'make stallAfter longer or maxAwaitTime shorter' }];
}

/** A file of records has one writer; checkpoints and dead letters may share a place with their like only. */
function sharedPaths({ pipelines }: Config): readonly Conflict[] {
  const uses = pipelines.flatMap(({ name, sink, checkpoint, deadLetter }) => [
    { section: 'sink', path: ['pipelines', name, 'sink', 'file', 'path'], connector: sink },
    { section: 'checkpoint', path: ['pipelines', name, 'checkpoint', 'file', 'path'], connector: checkpoint.store },
    { section: 'deadLetter', path: ['pipelines', name, 'deadLetter', 'file', 'path'], connector: deadLetter },
  ]);
  const owners = new Map<string, { readonly section: string; readonly path: ConfigPath }>();
  return uses.flatMap(({ section, path, connector }) => {
    const file = connector?.name === 'file' ? connector.config['path'] : undefined;
    if (typeof file !== 'string') return [];
    const owner = owners.get(file) ?? { section, path };
    owners.set(file, owner);
    const alike = section === owner.section && section !== 'sink';
    if (owner.path === path || alike) return [];
    const message = `the same path as ${formatPath(owner.path)}`;
    return [{ path, message, hint: 'give each a path of its own' }];
  });
}

/** Two pipelines with one transactional id would fence each other for ever. */
function sharedTransactionalIds({ pipelines }: Config): readonly Conflict[] {
  const owners = new Map<string, string>();
  return pipelines.flatMap(({ name, sink }) => {
    if (sink.name !== 'kafka' || sink.config['delivery'] !== 'exactly-once') return [];
    const { transactionalIdPrefix } = sink.config as unknown as KafkaSinkConfig;
    const id = `${transactionalIdPrefix}-${name}`;
    const owner = owners.get(id);
    owners.set(id, name);
    if (owner === undefined) return [];
    const path = ['pipelines', name, 'sink', 'kafka', 'transactionalIdPrefix'];
    const message = `gives the same transactional id (${id}) as pipeline ${owner}: they would fence each other`;
    return [{ path, message, hint: 'choose another prefix or name' }];
  });
}
