/** Where `sluice init` can write to; the first is the default. */
export const INIT_SINKS = ['stdout', 'file', 'kafka', 'nats', 'mongodb', 'search', 'postgres'] as const;

/** What `sluice init` asks for. */
export interface InitAnswers {
  readonly pipeline: string;
  /** Name of the environment variable with the connection string. */
  readonly mongoUriEnv: string;
  readonly include: readonly string[];
  /** What becomes of the documents that are there already. */
  readonly snapshot: 'initial' | 'never' | 'only';
  readonly sink: (typeof INIT_SINKS)[number];
  /** `host:port`; for Kafka. */
  readonly brokers: readonly string[];
  /** `host:port`; for NATS. */
  readonly servers: readonly string[];
  /** URLs; for Elasticsearch and OpenSearch. */
  readonly nodes: readonly string[];
  /** Name of the environment variable with the connection string of the target; for MongoDB and PostgreSQL. */
  readonly targetUriEnv: string | undefined;
}

/** The environment variables of a configuration, each with a value that may stand for it. */
export function variablesOf({ mongoUriEnv, sink, targetUriEnv }: InitAnswers): Readonly<Record<string, string>> {
  const target = TARGET_URIS[sink];
  return {
    [mongoUriEnv]: 'mongodb://localhost',
    ...(target === undefined ? {} : { [targetUriEnv ?? target.variable]: target.example }),
  };
}

const TARGET_URIS: Partial<Record<InitAnswers['sink'], { readonly variable: string; readonly example: string }>> = {
  mongodb: { variable: 'TARGET_MONGO_URI', example: 'mongodb://other' },
  postgres: { variable: 'POSTGRES_URI', example: 'postgres://localhost/reports' },
};

/** The schema for editors, beside the configuration. */
export const SCHEMA_FILE = 'sluice.schema.json';

/** A commented configuration that passes `sluice validate` once its environment variable is set. */
export function initialConfig(answers: InitAnswers): string {
  return `# yaml-language-server: $schema=./${SCHEMA_FILE}
# Configuration of Sluice. Check it with "sluice validate" and "sluice doctor", run it with "sluice run".
# Secrets never stand in this file: write \${env:NAME} or \${file:path}.
version: 1

# Health (/livez, /readyz), metrics (/metrics) and status (/api/pipelines). Another address than this machine's own
# needs a token: \${env:SLUICE_TOKEN}.
http:
  listen: 127.0.0.1:8380

log:
  level: info

pipelines:
  # The name is part of the checkpoint: under another name the pipeline starts anew.
  ${answers.pipeline}:
    source:
      mongodb:
        # A replica set or sharded cluster. The user needs changeStream and find on what is included.
        uri: \${env:${answers.mongoUriEnv}}
        # Patterns over database.collection.
        include: ${JSON.stringify(answers.include)}
        # What is there already. initial: it is copied when the pipeline begins, then changes follow without a gap.
        # never: changes only, from now on. only: it is copied, and the pipeline ends. With the others,
        # "sluice snapshot ${answers.pipeline}" copies again at any time.
        snapshot: ${answers.snapshot}
${WHOLE_DOCUMENTS.has(answers.sink) ? LOOKED_UP : AS_IT_WAS}${SINKS[answers.sink](answers)}
    # Where the position is kept. Without this section: the collection sluice.checkpoints beside the source.
    # checkpoint:
    #   file: { path: ./sluice-checkpoints }

    # What happens when the server no longer has the changes behind the position, after a stop longer than its oplog:
    # fail stops, resnapshot copies everything again, skip goes on from now and records the gap.
    onPositionLost: fail

    # Where events go that can never be delivered. Without this section such an event stops the pipeline.
    deadLetter:
${DEAD_LETTERS[answers.sink]}`;
}

/** Sinks that keep the documents as they are now. */
const WHOLE_DOCUMENTS: ReadonlySet<InitAnswers['sink']> = new Set(['search', 'postgres']);

const LOOKED_UP = `        # The document that comes with an update, as it is when the event is read.
        fullDocument: updateLookup
`;

const AS_IT_WAS = `        # The document that comes with an update, as it was right after the change; the collection needs
        # changeStreamPreAndPostImages ("sluice doctor" prints the command). "updateLookup" needs nothing and gives the
        # document as it is when the event is read, which may be later.
        fullDocument: whenAvailable
`;

const SINKS: Readonly<Record<InitAnswers['sink'], (answers: InitAnswers) => string>> = {
  kafka: ({ brokers }) => `    sink:
      kafka:
        brokers: ${JSON.stringify(brokers)}
        topic: "{db}.{coll}"
        # change, document, debezium or cloudevents.
        format: change
        # exactly-once: each batch and its checkpoint in one transaction.
        delivery: at-least-once
        # tls: true
        # sasl: { mechanism: scram-sha-512, username: sluice, password: "\${env:KAFKA_PASSWORD}" }
`,
  nats: ({ servers }) => `    sink:
      nats:
        servers: ${JSON.stringify(servers)}
        # Created if it does not exist; when it is full it refuses new messages and the pipeline waits.
        stream: CDC
        subject: "cdc.{db}.{coll}.{op}"
        # change, document, debezium or cloudevents.
        format: change
        # exactly-once: each batch and its checkpoint together in the stream.
        delivery: at-least-once
        # createStream: { replicas: 3 }
        # tls: true
        # login: { method: creds, file: ./sluice.creds }
`,
  mongodb: (answers) => `    sink:
      mongodb:
        # A replica set. Documents are written as they are, to the collections of the same name.
        uri: \${env:${targetVariable(answers)}}
        database: "{db}"
        collection: "{coll}"
        # exactly-once: each batch and its checkpoint in one transaction.
        delivery: at-least-once
`,
  search: ({ nodes }) => `    sink:
      search:
        # Elasticsearch or OpenSearch.
        nodes: ${JSON.stringify(nodes)}
        index: "{db}.{coll}"
        # auth: { apiKey: "\${env:SEARCH_API_KEY}" }
        # tls: { ca: ./ca.pem }
`,
  postgres: (answers) => `    sink:
      postgres:
        # One table per collection: _id, the document as jsonb, and columns for its fields.
        uri: \${env:${targetVariable(answers)}}
        schema: "{db}"
        table: "{coll}"
        # exactly-once: each batch and its checkpoint in one transaction.
        delivery: at-least-once
`,
  file: () => `    sink:
      file:
        # One record per line. Relative paths start at the directory of this file.
        path: ./changes/{db}.{coll}.ndjson
        # change, document, debezium or cloudevents.
        format: change
`,
  stdout: () => `    sink:
      stdout:
        # One record per line. change, document, debezium or cloudevents.
        format: change
`,
};

function targetVariable({ sink, targetUriEnv }: InitAnswers): string {
  return targetUriEnv ?? TARGET_URIS[sink]?.variable ?? '';
}

const BESIDE_THE_SOURCE = `      mongodb: { database: sluice, collection: dead-letters }
`;

const DEAD_LETTERS: Readonly<Record<InitAnswers['sink'], string>> = {
  kafka: `      kafka: { topic: sluice.dead-letters }
`,
  nats: BESIDE_THE_SOURCE,
  mongodb: BESIDE_THE_SOURCE,
  search: BESIDE_THE_SOURCE,
  postgres: BESIDE_THE_SOURCE,
  file: `      file: { path: ./dead-letters.ndjson }
`,
  stdout: BESIDE_THE_SOURCE,
};
