import { authorization, type Verdict } from './verdict.ts';

const MEMBERSHIP_LOST: Verdict = {
  kind: 'transient',
  code: 'kafka.membership-lost',
  what: 'the group no longer counts this worker as its member',
};

/** The brokers cannot have members of the kind that is used here. */
export const NO_NEW_GROUPS: Verdict = {
  kind: 'config',
  code: 'kafka.unsupported-version',
  what: 'the brokers do not offer the consumer group protocol of Kafka 4 (KIP-848)',
  hint: 'Apache Kafka 4.0 or newer is needed, with the feature `group.version` at 1 (kafka-features.sh upgrade --feature group.version=1).',
};

const NOT_READABLE = authorization(
  'the user may not read a topic or use the group',
  'Grant Describe and Read on the topics, and Read on the group.',
);

const OTHER_GROUP: Verdict = {
  kind: 'config',
  code: 'kafka.group-type',
  what: 'the group is in use by consumers that cannot share it with this one',
  hint: 'Choose another `group`, or stop the consumers that use it with the older protocol.',
};

/** What errors mean for somebody who reads in a group, where nobody else has them or they mean something else. */
export const FOR_READERS: Readonly<Record<string, Verdict>> = {
  TOPIC_AUTHORIZATION_FAILED: NOT_READABLE,
  GROUP_AUTHORIZATION_FAILED: NOT_READABLE,
  UNSUPPORTED_VERSION: NO_NEW_GROUPS,
  FENCED_MEMBER_EPOCH: MEMBERSHIP_LOST,
  UNKNOWN_MEMBER_ID: MEMBERSHIP_LOST,
  FENCED_INSTANCE_ID: {
    kind: 'fenced',
    code: 'kafka.instance-id-taken',
    what: 'another worker has taken over this `groupInstanceId`',
    hint: 'Give each worker a `groupInstanceId` of its own, or none.',
  },
  UNRELEASED_INSTANCE_ID: {
    kind: 'transient',
    code: 'kafka.instance-id-taken',
    what: 'the group still has a worker with this `groupInstanceId`',
    hint: 'If none is running, its session ends by itself; else give each worker a `groupInstanceId` of its own.',
  },
  STALE_MEMBER_EPOCH: { kind: 'transient', code: 'kafka.member-epoch', what: 'the group has moved on meanwhile' },
  UNSTABLE_OFFSET_COMMIT: {
    kind: 'transient',
    code: 'kafka.offsets-pending',
    what: 'a transaction over the offsets of the group is still open',
  },
  GROUP_ID_NOT_FOUND: OTHER_GROUP,
  INCONSISTENT_GROUP_PROTOCOL: OTHER_GROUP,
  GROUP_MAX_SIZE_REACHED: {
    kind: 'transient',
    code: 'kafka.group-full',
    what: 'the group has as many members as the brokers allow',
    hint: 'Run fewer workers, or raise `group.consumer.max.size` of the brokers.',
  },
};
