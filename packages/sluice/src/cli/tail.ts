import { type Command, Option } from 'commander';
import { action, usageError } from './action.ts';
import { describedCommand } from './help.ts';

/** Options of `sluice tail`. */
export interface TailOptions {
  readonly uri?: string | undefined;
  readonly include?: readonly string[] | undefined;
  readonly limit?: string | undefined;
  readonly for?: string | undefined;
  /** Default: now for a source, earliest for a topic. */
  readonly from?: string | undefined;
  readonly format?: 'change' | 'document' | 'debezium' | 'cloudevents' | undefined;
  /** A topic to read instead of the source. */
  readonly topic?: string | undefined;
  readonly brokers?: string | undefined;
  readonly untilEnd?: boolean | undefined;
}

/** `sluice tail` */
export function tailCommand(): Command {
  return describedCommand({
    name: 'tail',
    summary: 'show changes as they pass',
    description:
      'Reads the source of a pipeline, or of --uri, and shows its changes until Ctrl-C. Keeps no checkpoint and ' +
      'disturbs no running pipeline. With --json or --format: one record per line, otherwise one readable line each. ' +
      'With --topic it reads that Kafka topic from its beginning, without joining a consumer group, and says on standard ' +
      'error each time it has come to the end of all partitions; --json then shows the messages as they are.',
    examples: [
      ['sluice tail orders', 'the changes that pipeline "orders" reads'],
      ['sluice tail --limit 10 --from 2026-01-31T12:00:00Z', 'ten changes from a time on'],
      ["sluice tail --uri mongodb://localhost --include 'shop.*'", 'without a configuration'],
      ['sluice tail --format debezium | head -1', "a record as the pipeline's sink would get it"],
      ['sluice tail --topic shop.orders --until-end', 'all that is in a topic of the brokers of the pipeline'],
    ],
  })
    .argument('[pipeline]', 'the pipeline; needed when the configuration has several')
    .option('--uri <uri>', 'read this deployment; a password in it must be ${env:NAME} or ${file:path}')
    .option('--include <patterns...>', 'what to read, as patterns over database.collection')
    .option('--topic <name>', 'read this Kafka topic')
    .option(
      '--brokers <list>',
      'with --topic: brokers as host:port, separated by commas; default: those of the pipeline',
    )
    .option('--until-end', 'with --topic: end when everything in it has been shown')
    .option('--limit <n>', 'end after so many changes')
    .option('--for <duration>', 'end after this time, such as 10s')
    .option(
      '--from <time>',
      'now, an ISO time with its zone, or "seconds,increment" of a cluster time; of a topic: earliest, now or an ISO ' +
        'time. Default: now, of a topic earliest',
    )
    .addOption(
      new Option('--format <name>', 'print records of this format').choices([
        'change',
        'document',
        'debezium',
        'cloudevents',
      ]),
    )
    .action(
      action<TailOptions>(async (invocation) => {
        const { topic, brokers, untilEnd } = invocation.options;
        if (topic !== undefined) return (await import('./tail-topic.ts')).tailTopic(invocation);
        if (brokers !== undefined) throw usageError('--brokers goes with --topic');
        if (untilEnd === true) throw usageError('--until-end goes with --topic: the changes of a database have no end');
        return (await import('./tail-source.ts')).tail(invocation);
      }),
    );
}
