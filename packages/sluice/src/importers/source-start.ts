import type { Ledger } from './ledger.ts';
import type { SourceInput } from './source-plan.ts';

/** Where the MongoDB source connector begins: `startAt` and the snapshot setting of the source. */
export function sourceStart({ connector }: SourceInput): Readonly<Record<string, unknown>> {
  const old = connector.flag('copy.existing', false) ? 'copy_existing' : undefined;
  const mode = (connector.text('startup.mode') ?? old ?? 'latest').toLowerCase();
  const option = connector.has('startup.mode') ? 'startup.mode' : 'copy.existing';
  connector.note(option === 'startup.mode' ? 'copy.existing' : 'startup.mode', 'not-needed', `${option} decides`);
  const match = copyOptions(connector, mode);
  const time = 'startup.mode.timestamp.start.at.operation.time';
  if (mode !== 'timestamp') connector.note(time, 'not-needed', 'only used with startup.mode: timestamp');
  if (mode === 'copy_existing') {
    connector.mapped(option, 'source.mongodb.snapshot', 'a copy that was cut short goes on where it was');
    return { snapshot: match === undefined ? 'initial' : { mode: 'initial', match } };
  }
  if (mode === 'timestamp') return startTime(connector, option, time);
  if (mode === 'latest') connector.mapped(option, 'source.mongodb.startAt', 'from now on');
  else connector.note(option, 'not-supported', 'not a mode that is known');
  return {};
}

type Match = Readonly<Record<string, unknown>>;

/** The query for what is copied, where the input has one that can be written here. */
function copyOptions(connector: Ledger, mode: string): Match | undefined {
  let match: Match | undefined;
  for (const prefix of ['', 'startup.mode.']) {
    const pipeline = `${prefix}copy.existing.pipeline`;
    const regex = `${prefix}copy.existing.namespace.regex`;
    for (const option of [pipeline, regex]) {
      if (mode !== 'copy_existing') connector.note(option, 'not-needed', 'nothing is copied');
      else if (connector.text(option) === undefined) connector.note(option, 'mapped', 'empty');
    }
    connector.note(regex, 'not-supported', 'a snapshot copies everything that is included');
    match ??= mode === 'copy_existing' ? copyMatch(connector, pipeline) : undefined;
    connector.note(pipeline, 'not-supported', 'only a single $match for one database and collection is understood');
  }
  return match;
}

function copyMatch(connector: Ledger, option: string): Match | undefined {
  const [database, collection] = [connector.text('database'), connector.text('collection')];
  const stages = parse(connector.text(option));
  const [stage, ...others] = Array.isArray(stages) ? (stages as readonly unknown[]) : [];
  if (database === undefined || collection === undefined || others.length > 0) return undefined;
  const query = (stage as { readonly $match?: unknown } | undefined)?.$match;
  if (typeof query !== 'object' || query === null || Object.keys(stage as object).length > 1) return undefined;
  connector.mapped(option, 'source.mongodb.snapshot.match');
  return { [`${database}.${collection}`]: query };
}

function parse(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function startTime(connector: Ledger, mode: string, option: string): Readonly<Record<string, unknown>> {
  const text = connector.text(option);
  const clusterTime = text === undefined ? undefined : clusterTimeOf(text);
  if (clusterTime === undefined && text !== undefined) {
    connector.note(option, 'not-supported', 'neither seconds, nor an ISO time, nor a timestamp in Extended JSON');
    connector.note(mode, 'not-supported', 'without a time the pipeline starts now');
    return {};
  }
  connector.mapped(mode, 'source.mongodb.startAt');
  connector.mapped(option, 'source.mongodb.startAt.clusterTime');
  return clusterTime === undefined ? {} : { startAt: { clusterTime } };
}

/** A time in one of the connector's three forms as `startAt` takes it. */
function clusterTimeOf(text: string): string | undefined {
  if (/^\d{1,10}$/.test(text)) return `${text},0`;
  if (/^\d{4}-\d{2}-\d{2}T/.test(text)) return text;
  try {
    const { $timestamp: time } = JSON.parse(text) as {
      readonly $timestamp?: { readonly t: number; readonly i: number };
    };
    return time === undefined ? undefined : `${time.t},${time.i}`;
  } catch {
    return undefined;
  }
}
