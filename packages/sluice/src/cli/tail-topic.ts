import type { PipelineConfig } from '../config/config.ts';
import { checkConfigText } from '../config/load.ts';
import { type KafkaSourceConfig, kafkaSourceConfig } from '../connectors/kafka/config.ts';
import type { TailedMessage, TailedPartition } from '../connectors/kafka/index.ts';
import { registry } from '../connectors/registry.ts';
import type { Decoder } from '../core/broker-message.ts';
import { isAbort } from '../core/failure.ts';
import { type Invocation, type Outcome, usageError } from './action.ts';
import { pipelineDecoder } from './build-pipeline.ts';
import { humanCount } from './human.ts';
import { loadCalled } from './load.ts';
import { messageLine, messageRecord } from './message-line.ts';
import { onePipeline, selectPipelines } from './select-pipelines.ts';
import { listenForSignals } from './signals.ts';
import type { TailOptions } from './tail.ts';
import { forOf, limitOf, readableLine, recordLine, tailFormat, tailLogger, tolerant } from './tail-parts.ts';

/** What a line of a message as it is needs besides the value. */
const HEAD_CHARACTERS = 80;
const PARTITIONS_SHOWN = 12;

/** Shows the messages of a topic and where it ends, until the limit, the time, that end, Ctrl-C, or nobody reads any more. */
export async function tailTopic(invocation: Invocation<TailOptions>): Promise<Outcome> {
  const { options, terminal } = invocation;
  const limit = limitOf(options);
  const forMs = forOf(options);
  const { config, pipeline } = await topicOf(invocation);
  const render = await renderer(invocation, pipeline);
  using signals = listenForSignals();
  const ended = new AbortController();
  const timer = forMs === undefined ? undefined : setTimeout(() => ended.abort(), forMs);
  const signal = AbortSignal.any([signals.stop, ended.signal]);
  const { tailTopic: follow } = await import('../connectors/kafka/index.ts');
  let read = 0;
  try {
    for await (const news of follow({ config, logger: tailLogger(invocation) }, signal)) {
      if (news.kind === 'messages') {
        const wanted = news.messages.slice(0, limit - read);
        read += wanted.length;
        const going = await terminal.data(wanted.map(render).join(''));
        if (!going || read >= limit) break;
      } else {
        if (options.quiet !== true) terminal.message(endLine(config, news.partitions, read));
        if (options.untilEnd === true) break;
      }
    }
  } catch (error) {
    if (!isAbort(error, signal)) throw error;
  } finally {
    clearTimeout(timer);
  }
  return {};
}

/** `end of topic shop.orders: partition 0 at 34, partition 1 at 33 (67 messages)` */
function endLine({ topics }: KafkaSourceConfig, partitions: readonly TailedPartition[], read: number): string {
  const shown = partitions
    .slice(0, PARTITIONS_SHOWN)
    .map(({ partition, offset }) => `partition ${partition} at ${offset}`);
  const more = partitions.length - shown.length;
  const places = more === 0 ? shown : [...shown, `and ${more} more partitions`];
  return `end of topic ${topics.join()}: ${places.join(', ')} (${humanCount(read)} ${read === 1 ? 'message' : 'messages'})\n`;
}

/** How a message is shown, with the end of its line; empty for one that is not. */
async function renderer(
  { options, terminal }: Invocation<TailOptions>,
  pipeline: PipelineConfig,
): Promise<(message: TailedMessage) => string> {
  const { format } = options;
  if (options.json === true && format === undefined) return (message) => `${JSON.stringify(messageRecord(message))}\n`;
  const [decoder, { UndecodableMessage }] = await Promise.all([
    decoderOf(pipeline),
    import('../formats/decode/undecodable-message.ts'),
  ]);
  if (format !== undefined) {
    const record = tolerant(recordLine(await tailFormat(format, pipeline)), terminal);
    return (message) => {
      const event = decoder.decode(message);
      return event === undefined ? '' : record(event);
    };
  }
  const line = readableLine(terminal);
  const width = Math.max(40, terminal.columns - HEAD_CHARACTERS);
  return (message) => {
    const event = decoder.decode(message);
    const readable = event !== undefined && !(event instanceof UndecodableMessage);
    const text = readable ? line(event) : messageLine(message, { paint: terminal.paint, width });
    return `${terminal.paint('gray', `${message.partition}@${message.sequence}`.padEnd(PLACE_WIDTH))} ${text}\n`;
  };
}

const PLACE_WIDTH = 6;

/** What the pipeline itself makes events with, when it reads messages; else what recognises all formats. */
async function decoderOf(pipeline: PipelineConfig): Promise<Decoder> {
  const own = await pipelineDecoder(pipeline);
  if (own !== undefined) return own;
  const { createDecoder } = await import('../formats/decode/decoder.ts');
  return createDecoder({ name: 'auto' });
}

/** The topic as a source would read it, and the pipeline that names the brokers. */
async function topicOf(
  invocation: Invocation<TailOptions>,
): Promise<{ readonly config: KafkaSourceConfig; readonly pipeline: PipelineConfig }> {
  const { options } = invocation;
  const { topic = '', uri, include } = options;
  if (uri !== undefined || include !== undefined) throw usageError('--uri and --include do not go with --topic');
  if (/[*?/]/.test(topic)) throw usageError(`--topic ${topic} is a pattern`, 'name one topic');
  const pipeline = options.brokers === undefined ? await configured(invocation) : madeUp(invocation, options.brokers);
  const parsed = kafkaSourceConfig.safeParse({ brokers: ['unused'], topics: [topic], startAt: startOf(options) });
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0] ?? { path: [], message: 'not possible here' };
    throw usageError(`${path[0] === 'topics' ? '--topic' : '--from'}: ${message}`);
  }
  return { config: { ...parsed.data, ...connectionOf(pipeline) }, pipeline };
}

function startOf({ from = 'earliest' }: TailOptions): unknown {
  if (from === 'earliest') return from;
  return from === 'now' ? 'latest' : { time: from };
}

type Connection = Pick<KafkaSourceConfig, 'brokers' | 'clientId' | 'sasl' | 'tls' | 'requestTimeout'>;

/** How the pipeline reaches its brokers: those that it reads, else those that it writes. */
function connectionOf({ source, sink }: PipelineConfig): Connection {
  const { config } = source.name === 'kafka' ? source : sink;
  const { brokers, clientId, sasl, tls, requestTimeout } = config as Connection;
  return { brokers, clientId, sasl, tls, requestTimeout };
}

/** The named pipeline of the configuration; without a name one that has to do with Kafka, if all such have the same brokers. */
async function configured(invocation: Invocation<TailOptions>): Promise<PipelineConfig> {
  const name = invocation.args[0] as string | undefined;
  const { config } = await loadCalled(invocation);
  const withKafka = selectPipelines(config, name === undefined ? [] : [name]).filter(usesKafka);
  const [first] = withKafka;
  if (first === undefined) throw usageError('no pipeline here has to do with Kafka', 'name the brokers with --brokers');
  const brokers = new Set(withKafka.map((pipeline) => [...connectionOf(pipeline).brokers].sort().join()));
  return brokers.size === 1 ? first : onePipeline({ ...config, pipelines: withKafka }, name);
}

function usesKafka({ source, sink }: PipelineConfig): boolean {
  return source.name === 'kafka' || sink.name === 'kafka';
}

/** A pipeline for `--brokers`, checked like one of the file. */
function madeUp(invocation: Invocation<TailOptions>, list: string): PipelineConfig {
  const { options, args, env } = invocation;
  if (args[0] !== undefined) throw usageError('either a pipeline or --brokers, not both');
  const brokers = list.split(',').map((broker) => broker.trim());
  const source = { kafka: { brokers, topics: [options.topic] } };
  const text = JSON.stringify({ version: 1, pipelines: { tail: { source, sink: { stdout: {} } } } });
  const { config, secrets } = checkConfigText(text, { file: 'command line', registry, env });
  invocation.hide(secrets);
  return onePipeline(config, undefined);
}
