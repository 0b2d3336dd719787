/** Partitions of one topic, as the group coordinator names them. */
export interface TopicPartitions {
  readonly topicId: string;
  readonly partitions: readonly number[];
}

/** One partition by the id of its topic. */
export type PartitionKey = `${string}/${number}`;

/** Names a partition for as long as its topic lives: a topic that is created anew has another id. */
export function partitionKey(topicId: string, partition: number): PartitionKey {
  return `${topicId}/${partition}`;
}

/** Topic id and number of a partition. */
export function splitKey(key: PartitionKey): { readonly topicId: string; readonly partition: number } {
  const slash = key.lastIndexOf('/');
  return { topicId: key.slice(0, slash), partition: Number(key.slice(slash + 1)) };
}

/** All partitions of an assignment. */
export function keysOf(assignment: readonly TopicPartitions[]): ReadonlySet<PartitionKey> {
  return new Set(
    assignment.flatMap(({ topicId, partitions }) => partitions.map((each) => partitionKey(topicId, each))),
  );
}

/** The partitions grouped by topic. */
export function byTopic(keys: Iterable<PartitionKey>): readonly TopicPartitions[] {
  const topics = new Map<string, number[]>();
  for (const key of keys) {
    const { topicId, partition } = splitKey(key);
    const partitions = topics.get(topicId);
    if (partitions === undefined) topics.set(topicId, [partition]);
    else partitions.push(partition);
  }
  return [...topics].map(([topicId, partitions]) => ({ topicId, partitions: partitions.sort((a, b) => a - b) }));
}

/** What has to happen to get from what is owned to what is assigned. */
export interface AssignmentChange {
  readonly added: readonly PartitionKey[];
  /** Still owned until they are drained and committed. */
  readonly revoked: readonly PartitionKey[];
}

/** The difference between the two; a partition in both is left alone. */
export function assignmentChange(
  owned: ReadonlySet<PartitionKey>,
  assigned: ReadonlySet<PartitionKey>,
): AssignmentChange {
  return {
    added: [...assigned].filter((key) => !owned.has(key)),
    revoked: [...owned].filter((key) => !assigned.has(key)),
  };
}
