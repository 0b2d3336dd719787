import type { StreamConfig } from '@nats-io/jetstream';
import type { NatsSinkConfig } from './config.ts';
import { recordPrefixOf } from './own-records.ts';
import { isCoveredBy } from './subject-template.ts';

const NANOS_PER_MS = 1_000_000;

type Setting = string | number;

/** Why a stream cannot be used. */
export interface StreamProblem {
  /** Completes "the stream …". */
  readonly message: string;
  readonly fix: string;
}

/** Everything about an existing stream that does not fit the settings or would lose events; empty when it fits. */
export function streamProblems(stream: StreamConfig, config: NatsSinkConfig): readonly StreamProblem[] {
  return [...lossProblems(stream, config), ...subjectProblems(stream, config), ...settingProblems(stream, config)];
}

function lossProblems(stream: StreamConfig, config: NatsSinkConfig): readonly StreamProblem[] {
  const { name } = stream;
  const problems: StreamProblem[] = [];
  if (stream.discard === 'old' && !(config.allowDiscardOld && config.delivery === 'at-least-once')) {
    const only = config.allowDiscardOld ? ' (and with it the checkpoint of `exactly-once`)' : '';
    problems.push({
      message: `removes its oldest messages when it is full${only}`,
      fix: `nats stream edit ${name} --discard new, or set \`allowDiscardOld: true\` with at-least-once.`,
    });
  }
  if (stream.no_ack === true) {
    problems.push({ message: 'gives no acknowledgements', fix: 'Use a stream with `no_ack: false`.' });
  }
  if (stream.sealed) problems.push({ message: 'is sealed', fix: 'Use another stream.' });
  if (stream.retention === 'interest') {
    problems.push({
      message: 'keeps messages only while somebody is interested (retention: interest), so records of Sluice vanish',
      fix: 'Use a stream with retention `limits` or `workqueue`.',
    });
  }
  if (stream.max_age > 0 && stream.allow_msg_ttl !== true) {
    problems.push({
      message: 'removes messages by age and lets none be exempt, so records of Sluice would vanish',
      fix: `Set \`allow_msg_ttl\` on the stream "${name}", or remove its \`max_age\`.`,
    });
  }
  return problems;
}

/** Subjects that the stream must take and does not. */
export function missingSubjects(stream: StreamConfig, config: NatsSinkConfig): readonly string[] {
  const records = `${recordPrefixOf(config)}.>`;
  // A stream made by hand may take less than the template can give: what comes is checked when it comes.
  const wanted = [...(config.createStream.subjects ?? []), records];
  return wanted.filter((subject) => !stream.subjects.some((taken) => isCoveredBy(subject, taken)));
}

function subjectProblems(stream: StreamConfig, config: NatsSinkConfig): readonly StreamProblem[] {
  const missing = missingSubjects(stream, config);
  if (missing.length === 0 || config.createStream.addSubjects) return [];
  const all = [...stream.subjects, ...missing].join(',');
  return [
    { message: `does not take ${missing.join(', ')}`, fix: `nats stream edit ${stream.name} --subjects '${all}'` },
  ];
}

function settingProblems(stream: StreamConfig, { createStream }: NatsSinkConfig): readonly StreamProblem[] {
  const ms = (nanos: number) => nanos / NANOS_PER_MS;
  const compared: readonly [name: string, wanted: Setting | undefined, found: Setting][] = [
    ['replicas', createStream.replicas, stream.num_replicas],
    ['storage', createStream.storage, stream.storage],
    ['retention', createStream.retention, stream.retention],
    ['duplicateWindow', createStream.duplicateWindow, ms(stream.duplicate_window)],
    ['maxBytes', createStream.maxBytes, stream.max_bytes],
    ['maxMessages', createStream.maxMessages, stream.max_msgs],
    ['maxAge', createStream.maxAge, ms(stream.max_age)],
  ];
  return compared
    .filter(([, wanted, found]) => wanted !== undefined && wanted !== found)
    .map(([name, wanted, found]) => {
      const unit = name === 'duplicateWindow' || name === 'maxAge' ? ' ms' : '';
      return {
        message: `has ${name} ${found}${unit}, the configuration says ${wanted}${unit}`,
        fix: `Change \`createStream.${name}\`, or the stream with nats stream edit ${stream.name}.`,
      };
    });
}
