import { z } from 'zod';
import { duration, filePath, secretString } from '../../settings/scalars.ts';

/** What cannot be put into a header or would end it. */
const HEADER_VALUE = /^[\x21-\x7e]*$/;

const basic = z
  .strictObject({
    username: z
      .string()
      .regex(/^[^:\p{Cc}]+$/u, 'must not be empty or contain a colon')
      .describe('User name.'),
    password: secretString().describe('Password.'),
  })
  .describe('HTTP basic authentication.');

const apiKey = z
  .union([
    secretString().refine((key) => HEADER_VALUE.test(key.reveal()), 'must be visible ASCII characters'),
    z.strictObject({
      id: z.string().min(1).describe('Id of the key.'),
      key: secretString().describe('The key itself.'),
    }),
  ])
  .describe('API key: the encoded form, or a mapping of `id` and `key`.');

const aws = z
  .strictObject({
    region: z
      .string()
      .regex(/^[a-z0-9-]{1,40}$/, 'must be a region such as eu-central-1')
      .optional()
      .describe('Region of the domain. Default: `AWS_REGION` or `AWS_DEFAULT_REGION` of the environment.'),
    service: z
      .enum(['es', 'aoss'])
      .default('es')
      .describe('`es`: a domain of Amazon OpenSearch Service. `aoss`: a collection of OpenSearch Serverless.'),
    accessKeyId: z
      .string()
      .regex(/^\w{1,128}$/, 'must be letters, digits and `_`')
      .optional()
      .describe('Default: `AWS_ACCESS_KEY_ID` of the environment.'),
    secretAccessKey: secretString().optional().describe('Default: `AWS_SECRET_ACCESS_KEY` of the environment.'),
    sessionToken: secretString()
      .refine((token) => HEADER_VALUE.test(token.reveal()), 'must be visible ASCII characters')
      .optional()
      .describe('Token of temporary credentials. Default: `AWS_SESSION_TOKEN`, where the key comes from there too.'),
  })
  .refine(
    (keys) => (keys.accessKeyId === undefined) === (keys.secretAccessKey === undefined),
    '`accessKeyId` and `secretAccessKey` go together',
  )
  .refine((keys) => keys.sessionToken === undefined || keys.accessKeyId !== undefined, {
    message: 'needs `accessKeyId` and `secretAccessKey`',
    path: ['sessionToken'],
  })
  .describe('Requests signed for Amazon (Signature Version 4). The environment is read when the sink opens.');

const auth = z
  .strictObject({ basic: basic.optional(), apiKey: apiKey.optional(), aws: aws.optional() })
  .refine((ways) => Object.values(ways).filter((way) => way !== undefined).length === 1, {
    message: 'must have exactly one of `basic`, `apiKey` and `aws`',
  })
  .describe('How to log in: one of `basic`, `apiKey` and `aws`.');

const tls = z
  .strictObject({
    ca: filePath()
      .optional()
      .describe('PEM file with the certificates of the authorities to trust instead of the usual ones.'),
    cert: filePath().optional().describe('PEM file with the client certificate (mutual TLS).'),
    key: filePath().optional().describe('PEM file with the key of the client certificate.'),
    keyPassphrase: secretString().optional().describe('Passphrase of the key.'),
    serverName: z
      .string()
      .regex(/^[A-Za-z0-9.-]{1,253}$/, 'must be a host name')
      .optional()
      .describe('Name that the certificate of the nodes must have. Default: the host in `nodes`.'),
    insecure: z
      .boolean()
      .default(false)
      .describe('Accept any certificate. Anybody in between can then read and change everything.'),
  })
  .refine((files) => (files.cert === undefined) === (files.key === undefined), '`cert` and `key` go together')
  .describe('Certificates, for `https://` nodes.');

const node = z.string({ error: 'must be a URL' }).superRefine((text, context) => {
  const message = nodeProblem(text);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

/** Why the text is no URL of a node; undefined when it is one. Never repeats the text, which may hold a password. */
export function nodeProblem(text: string): string | undefined {
  if (/[\s\\]/.test(text) || !URL.canParse(text)) return 'must be a URL such as https://search.example:9200';
  const { protocol, username, password, search, hash } = new URL(text);
  if (protocol !== 'https:' && protocol !== 'http:') return 'must start with https:// or http://';
  if (username !== '' || password !== '') return 'must not hold a login: use `auth`';
  if (search !== '' || hash !== '') return 'must not have a query (?) or a fragment (#)';
  return undefined;
}

/** How the nodes are reached; part of `sink.search`. */
export const connectionShape = {
  nodes: z
    .array(node)
    .min(1, 'must name at least one node')
    .max(20, 'must not be more than 20 nodes')
    .describe(
      'URLs of the nodes, or of the load balancer before them. Used in turn; one that fails is left out for a while.',
    ),
  auth: auth.optional(),
  tls: tls.optional(),
  requestTimeout: duration('60s', { min: '100ms', max: '10m' }).describe(
    'How long one request may take, answer included.',
  ),
  compression: z
    .enum(['none', 'gzip'])
    .default('none')
    .describe('`gzip` makes requests smaller, where the network and not the processor is the limit.'),
};

const connectionConfig = z.strictObject(connectionShape);

/** The part of the settings that a connection needs. Times in ms. */
export type SearchConnectionConfig = z.output<typeof connectionConfig>;
