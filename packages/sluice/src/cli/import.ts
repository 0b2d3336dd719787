import type { Command } from 'commander';
import { action } from './action.ts';
import { describedCommand, styled } from './help.ts';
import type { ImportOptions } from './import-options.ts';

/** Options of `sluice import …`. */
export interface ImportCommandOptions extends ImportOptions {
  readonly output?: string | undefined;
  readonly force?: boolean | undefined;
  readonly strict?: boolean | undefined;
}

const REPORT =
  'Prints the YAML, or writes it with --output, and tells on stderr what became of every option: mapped, changed, not ' +
  'needed or not supported, and why. Passwords become references to environment variables.';

/** `sluice import` */
export function importCommand(): Command {
  const command = describedCommand({
    name: 'import',
    summary: 'make a sluice.yaml from the configuration of another tool',
    examples: [
      ['sluice import kafka-connect source.json --brokers localhost:9092', 'a connector of Kafka Connect'],
      ['sluice import nats-connector connector.yaml -o sluice.yaml', 'mongodb-nats-connector'],
    ],
  });
  return styled(command).addCommand(kafkaConnect()).addCommand(natsConnector());
}

function kafkaConnect(): Command {
  const command = describedCommand({
    name: 'kafka-connect',
    summary: 'a MongoDB or Debezium source connector of Kafka Connect (JSON or properties)',
    description:
      `Reads the file of MongoDB's source connector or Debezium's connector for MongoDB. ${REPORT} Where Kafka is, how to ` +
      'log in and which converters are used may be settings of the worker: give its properties with --worker.',
    examples: [
      ['sluice import kafka-connect source.json --brokers localhost:9092', 'prints the YAML'],
      ['sluice import kafka-connect source.json --worker worker.properties -o sluice.yaml', 'with the worker'],
    ],
  })
    .argument('<file>', 'the JSON that was sent to Kafka Connect, or a properties file')
    .option('--brokers <list>', 'Kafka brokers as host:port, separated by commas')
    .option('--worker <file>', "the worker's properties file");
  return withOutput(command).action(
    action<ImportCommandOptions>(async (invocation) => {
      const { importFile } = await import('./import-file.ts');
      return importFile(invocation, 'kafka-connect');
    }),
  );
}

function natsConnector(): Command {
  const command = describedCommand({
    name: 'nats-connector',
    summary: 'mongodb-nats-connector (YAML and its environment variables)',
    description:
      `Reads the file of mongodb-nats-connector and its variables (MONGO_URI, NATS_URL and so on). ${REPORT} Each ` +
      'pipeline continues behind the newest resume token that the connector has saved; for that MongoDB is asked.',
    examples: [
      ['sluice import nats-connector connector.yaml', 'prints the YAML'],
      ['sluice import nats-connector -o sluice.yaml', 'the file of CONFIG_FILE, or connector.yaml'],
    ],
  })
    .argument('[file]', 'its YAML file; default: that of CONFIG_FILE, or connector.yaml')
    .option('--offline', 'do not ask MongoDB for resume tokens: the pipelines start now');
  return withOutput(command).action(
    action<ImportCommandOptions>(async (invocation) => {
      const { importFile } = await import('./import-file.ts');
      return importFile(invocation, 'nats-connector');
    }),
  );
}

function withOutput(command: Command): Command {
  return command
    .option('-o, --output <file>', 'file to write instead of printing')
    .option('--force', 'overwrite the file')
    .option('--strict', 'exit code 4 when something is changed or not supported');
}
