import { z } from 'zod';
import type { Registry, RegistryEntry } from '../connectors/registry-entry.ts';
import { byteSize, duration, secretString } from '../settings/scalars.ts';
import { decoderSetting } from './decoder-schema.ts';
import { formatSetting } from './format-schema.ts';
import { listenAddress } from './listen-address.ts';
import { schemaSection } from './schema-settings.ts';
import { transformsSchema } from './transform-schema.ts';

/** Short enough for a topic, a file and a metric label, and for a transactional id with a prefix. */
export const PIPELINE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}$/;

const TOKEN_CHARACTERS = 16;

/** The schema of the `http` section. */
export const httpSchema = z.strictObject({
  listen: listenAddress('127.0.0.1:8380').describe(
    'Address and port of the HTTP endpoint (health, metrics, status). Port 0 takes a free one. ' +
      'An address that other machines can reach needs `token`.',
  ),
  token: secretString()
    .refine((token) => token.reveal().length >= TOKEN_CHARACTERS, `must have at least ${TOKEN_CHARACTERS} characters`)
    .optional()
    .describe('Bearer token that requests must carry. Required when `listen` is not a loopback address.'),
});

const log = z.strictObject({
  level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('Least severe level that is logged.'),
  format: z
    .enum(['auto', 'json', 'pretty'])
    .default('auto')
    .describe('`auto`: readable lines on a terminal, JSON lines otherwise. Logs go to stderr.'),
});

const backoff = z
  .strictObject({
    min: duration('250ms', { min: '1ms' }).describe('Wait after the first failure; it doubles with every further one.'),
    max: duration('30s', { min: '1ms' }).describe('Longest wait.'),
  })
  .refine(({ min, max }) => min <= max, { message: 'min must not be longer than max', path: ['min'] })
  .prefault({})
  .describe('Wait between attempts after failures of the environment, which are retried for ever.');

/** The schema of the whole file for the connectors of a registry. */
export function configSchema(registry: Registry) {
  return z.strictObject({
    version: z.literal(1).describe('Version of this schema.'),
    http: httpSchema.prefault({}).describe('The HTTP endpoint of `sluice run`.'),
    log: log.prefault({}).describe('What is logged, and how.'),
    pipelines: z
      .record(z.string(), pipelineSchema(registry))
      .refine((pipelines) => Object.keys(pipelines).length > 0, 'there is no pipeline')
      .describe('The pipelines by name. A name is part of the checkpoint: another name starts anew.'),
  });
}

function pipelineSchema(registry: Registry) {
  return z.strictObject({
    source: choice(registry.sources, ({ messages }) => (messages === true ? { format: decoderSetting } : {})).describe(
      'Where changes are read. Exactly one connector.',
    ),
    transforms: transformsSchema
      .default([])
      .describe(
        'What happens to events between source and sink, one after the other: aggregation stages, rename, drop, mask, ' +
          'hash, module. They may change the images of an event and its namespace or drop it, never change its key.',
      ),
    sink: choice(registry.sinks, ({ documents }) => (documents === true ? {} : { format: formatSetting })).describe(
      'Where records are written. Exactly one connector.',
    ),
    checkpoint: z
      .strictObject({
        ...choices(registry.checkpoints),
        interval: duration('100ms', { min: '10ms', max: '1h' }).describe('Least time between two checkpoints.'),
        idleInterval: duration('10s', { min: '100ms', max: '1h' }).describe(
          'Least time between two checkpoints of a stream that has nothing for this pipeline.',
        ),
      })
      .prefault({})
      .describe(
        'Where and how often the position is saved. Default place: a collection beside the source; a sink that keeps ' +
          'checkpoints together with the data (`delivery: exactly-once`) takes none.',
      ),
    deadLetter: choice(registry.deadLetters)
      .optional()
      .describe('Where events go that can never be delivered. Without it, such an event stops the pipeline.'),
    onDeadLetter: z
      .enum(['continue', 'park'])
      .default('continue')
      .describe(
        'What becomes of later changes of a document of which one became a dead letter. `continue`: they are delivered. ' +
          '`park`: they wait behind it among the dead letters, so that a replay brings all of them in order.',
      ),
    concurrency: z
      .int()
      .min(1)
      .max(256)
      .optional()
      .describe(
        'Lanes over which changes are spread by document key, for sinks that can write different documents at the same ' +
          'time (mongodb, search, postgres, webhook). One document is always in one lane. Default: what the sink takes for right.',
      ),
    lease: leaseSection(registry),
    schema: schemaSection(choices(registry.schemas)),
    onPositionLost: z
      .enum(['fail', 'resnapshot', 'skip'])
      .default('fail')
      .describe(
        'What happens when the source no longer holds what comes after the checkpoint. `fail` stops with an error. ' +
          '`resnapshot` goes on from now and copies everything again. `skip` goes on from now; what lies between is ' +
          'never delivered, and the gap is recorded.',
      ),
    inFlightBytes: byteSize('8MiB', { min: '64KiB', max: '16GiB' }).describe(
      'Most bytes of events between reading and acknowledgement; a single larger event still passes.',
    ),
    stallAfter: duration('60s', { min: '1s' }).describe(
      'Without any progress for this long, the pipeline counts as stalled.',
    ),
    drainTimeout: duration('30s').describe('How long a stop waits for what is in flight.'),
    backoff,
  });
}

function leaseSection(registry: Registry) {
  return z
    .union(
      [
        z.literal('off'),
        z.strictObject({
          ...choices(registry.leases),
          ttl: duration('15s', { min: '2s', max: '10m' }).describe(
            'How long the lease of a process lasts that has gone without a word. An owner that cannot renew it stops ' +
              'writing after half of this time.',
          ),
        }),
      ],
      { error: 'must be off, or a mapping with ttl and a place' },
    )
    .optional()
    .describe(
      'Lets one of several processes with this configuration run the pipeline while the others wait. Default: on ' +
        'where checkpoints are kept in MongoDB, in a collection `leases` beside them; else off. `off`: the process ' +
        'that was started last takes over.',
    );
}

type Entries = Readonly<Record<string, RegistryEntry<unknown>>>;

/** Settings that a section has because of what its connector is. */
type Extra = (entry: RegistryEntry<unknown>) => z.ZodRawShape;

function choice(entries: Entries, extra?: Extra) {
  return z.strictObject(choices(entries, extra)).meta({ minProperties: 1, maxProperties: 1 });
}

function choices(entries: Entries, extra: Extra = () => ({})) {
  const optional = (entry: RegistryEntry<unknown>) => {
    const { description } = entry.config;
    const schema = entry.config.safeExtend(extra(entry)).optional();
    return description === undefined ? schema : schema.describe(description);
  };
  return Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, optional(entry)]));
}
