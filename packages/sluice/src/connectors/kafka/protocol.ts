import {
  type API,
  addPartitionsToTxnV2,
  addPartitionsToTxnV3,
  consumerGroupDescribeV0,
  consumerGroupHeartbeatV1,
  createAPI,
  createTopicsV5,
  createTopicsV6,
  createTopicsV7,
  endTxnV2,
  endTxnV3,
  endTxnV4,
  fetchV10,
  fetchV11,
  fetchV12,
  findCoordinatorV3,
  findCoordinatorV4,
  findCoordinatorV5,
  findCoordinatorV6,
  initProducerIdV2,
  initProducerIdV3,
  initProducerIdV4,
  initProducerIdV5,
  listOffsetsV5,
  listOffsetsV6,
  listOffsetsV7,
  metadataV9,
  metadataV10,
  metadataV11,
  metadataV12,
  offsetCommitV9,
  offsetFetchV9,
  produceV7,
  produceV8,
  produceV9,
  produceV10,
  produceV11,
  type Reader,
  Writer,
} from '@platformatic/kafka';

/**
 * The versions of Kafka's requests that are used here; the newest one that both sides know is taken. Some are left out
 * on purpose: AddPartitionsToTxn from 4 on is for brokers (it needs ClusterAction), EndTxn 5 and Produce 12 change how
 * transactions begin and end, Fetch from 13 on wants topic ids.
 */
export const METADATA = [metadataV12.api, metadataV11.api, metadataV10.api, metadataV9.api];
export const FIND_COORDINATOR = [
  findCoordinatorV6.api,
  findCoordinatorV5.api,
  findCoordinatorV4.api,
  findCoordinatorV3.api,
];
export const INIT_PRODUCER_ID = [
  initProducerIdV5.api,
  initProducerIdV4.api,
  initProducerIdV3.api,
  initProducerIdV2.api,
];
export const ADD_PARTITIONS = [addPartitionsToTxnV3.api, addPartitionsToTxnV2.api];
export const END_TRANSACTION = [endTxnV4.api, endTxnV3.api, endTxnV2.api];
export const CREATE_TOPICS = [createTopicsV7.api, createTopicsV6.api, createTopicsV5.api];
export const LIST_OFFSETS = [listOffsetsV7.api, listOffsetsV6.api, listOffsetsV5.api];
export const FETCH = [fetchV12.api, fetchV11.api, fetchV10.api];

/** Consumer groups as Kafka 4 has them (KIP-848): a broker that knows them knows these versions. */
export const GROUP_HEARTBEAT = [consumerGroupHeartbeatV1.api];
export const GROUP_DESCRIBE = [consumerGroupDescribeV0.api];
export const OFFSET_COMMIT = [offsetCommitV9.api];
export const OFFSET_FETCH = [offsetFetchV9.api];

/** `FindCoordinator` for a group. */
export const GROUP_COORDINATOR = 0;

/** `FindCoordinator` for a transactional id. */
export const TRANSACTION_COORDINATOR = 1;

/** One record batch on its way to a partition. */
export interface ProducePartition {
  readonly topic: string;
  readonly partition: number;
  readonly batch: Buffer;
}

/** A produce request to one broker; no partition twice. */
export interface ProduceRequest {
  readonly transactionalId: string | null;
  /** How long the broker may wait for its replicas. */
  readonly timeoutMs: number;
  readonly partitions: readonly ProducePartition[];
}

/** What the broker says about each batch. */
export interface ProduceResponse {
  readonly responses: readonly {
    readonly name: string;
    readonly partitionResponses: readonly {
      readonly index: number;
      readonly errorCode: number;
      /** Offset of the first record. */
      readonly baseOffset: bigint;
      readonly errorMessage?: string | null | undefined;
    }[];
  }[];
}

const PRODUCE_KEY = 0;
const ALL_REPLICAS = -1;
/** From this version on lengths are compact and structures end in tagged fields. */
const FLEXIBLE_PRODUCE = 9;

/** Produce requests from batches that are encoded already; an error of a partition is part of the response. */
export const PRODUCE: readonly API<[ProduceRequest], ProduceResponse>[] = [
  produceApi(11, produceV11.parseResponse),
  produceApi(10, produceV10.parseResponse),
  produceApi(9, produceV9.parseResponse),
  produceApi(8, produceV8.parseResponse),
  produceApi(7, produceV7.parseResponse),
];

type Parse<T> = (correlationId: number, apiKey: number, apiVersion: number, reader: Reader) => T;

function produceApi(version: number, parse: Parse<ProduceResponse>): API<[ProduceRequest], ProduceResponse> {
  const flexible = version >= FLEXIBLE_PRODUCE;
  return createAPI<[ProduceRequest], ProduceResponse>(
    PRODUCE_KEY,
    version,
    (request: ProduceRequest) => writeProduce(request, flexible),
    (...args) => responseOf(() => parse(...args)),
    flexible,
    flexible,
  );
}

function writeProduce({ transactionalId, timeoutMs, partitions }: ProduceRequest, flexible: boolean): Writer {
  const writer = Writer.create()
    .appendString(transactionalId, flexible)
    .appendInt16(ALL_REPLICAS)
    .appendInt32(timeoutMs)
    .appendArray(
      [...Map.groupBy(partitions, ({ topic }) => topic)],
      (topics, [topic, batches]) => {
        topics
          .appendString(topic, flexible)
          .appendArray(
            batches,
            (entries, { partition, batch }) => entries.appendInt32(partition).appendBytes(batch, flexible),
            flexible,
            flexible,
          );
      },
      flexible,
      flexible,
    );
  return flexible ? writer.appendTaggedFields() : writer;
}

/** The library throws the whole response away when one partition failed; it is kept in the error. */
function responseOf<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const response = (error as { response?: T }).response;
    if (response === undefined) throw error;
    return response;
  }
}

/** One partition of a fetch response. */
export type FetchedPartition = fetchV12.FetchResponse['responses'][number]['partitions'][number];
