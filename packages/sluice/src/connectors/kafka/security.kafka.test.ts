import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import kafkajs from 'kafkajs';
import { SluiceError } from '../../core/failure.ts';
import { testEvent } from '../../testing/events.ts';
import { readTopic } from '../../testing/kafka-reader.ts';
import { kafkajsClient } from '../../testing/kafkajs-client.ts';
import { type KafkaServer, startKafka } from '../../testing/servers/kafka.ts';
import { sinkContext, writeEvents } from '../../testing/sink-writes.ts';
import { waitFor } from '../../testing/wait-for.ts';
import { checkKafkaSink } from './check.ts';
import { kafkaSinkConfig } from './config.ts';
import { openSink, readSettled, uniqueName } from './sink-fixture.ts';

const options = { timeout: 300_000 };
const { signal } = new AbortController();
const PARTITION = 'contract/0';
const USER = 'User:sluice';

let kafka: KafkaServer;

before(async () => {
  kafka = await startKafka({
    sasl: 'scram-sha-512',
    tls: true,
    config: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
    },
  });
}, options);

after(() => kafka[Symbol.asyncDispose]());

/** Settings to get in as the user of the test bed. */
function settings(overrides: Record<string, unknown> = {}) {
  const { login, tls } = kafka.security;
  return {
    brokers: kafka.brokers,
    topic: uniqueName(),
    delivery: 'exactly-once',
    checkpointTopic: uniqueName('checkpoints'),
    transactionalIdPrefix: uniqueName('tx'),
    requestTimeout: '20s',
    sasl: { mechanism: 'scram-sha-512', username: login?.user, password: login?.password },
    tls: { ca: tls?.files.caFile },
    ...overrides,
  };
}

interface Grant {
  readonly type: 'TOPIC' | 'TRANSACTIONAL_ID';
  readonly name: string;
  readonly operations: readonly ('READ' | 'WRITE' | 'DESCRIBE' | 'DESCRIBE_CONFIGS' | 'CREATE')[];
}

/** Gives the user a permission, looking on from the listener that is open for everything. */
async function grant(...grants: readonly Grant[]): Promise<void> {
  const admin = kafkajsClient({ brokers: kafka.plainBrokers }).admin();
  await admin.connect();
  const acl = grants.flatMap(({ type, name, operations }) =>
    operations.map((operation) => ({
      resourceType: kafkajs.AclResourceTypes[type],
      resourceName: name,
      resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
      principal: USER,
      host: '*',
      operation: kafkajs.AclOperationTypes[operation],
      permissionType: kafkajs.AclPermissionTypes.ALLOW,
    })),
  );
  await admin.createAcls({ acl });
  // The broker learns of them after the controller has answered; it describes those that it keeps to.
  for (const { type, name, operations } of grants) {
    const granted = async () => {
      const { resources } = await admin.describeAcls({
        resourceType: kafkajs.AclResourceTypes[type],
        resourceName: name,
        resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
        principal: USER,
        host: '*',
        operation: kafkajs.AclOperationTypes.ANY,
        permissionType: kafkajs.AclPermissionTypes.ALLOW,
      });
      const known = new Set(resources.flatMap(({ acls }) => acls.map(({ operation }) => operation)));
      return operations.every((operation) => known.has(kafkajs.AclOperationTypes[operation]));
    };
    await waitFor(granted, { timeoutMs: 60_000, message: `${operations.join()} on ${name} are granted` });
  }
  await admin.disconnect();
}

/** Sets the password of the user; it is in force when it resolves. */
async function setPassword(password: string): Promise<void> {
  await kafka.setPassword('sluice', password);
  const config = settings({ sasl: { mechanism: 'scram-sha-512', username: 'sluice', password } });
  // Nothing is permitted on these topics, which is only told to those who are logged in.
  const isLoggedIn = async () => (await failure(openSink(config))).code === 'kafka.authorization';
  await waitFor(isLoggedIn, { timeoutMs: 60_000, message: 'the new password is in force' });
}

/** Everything that the documentation says a pipeline needs; `CREATE` for those that create their topics. */
async function grantAll({ topic, checkpointTopic, transactionalIdPrefix }: ReturnType<typeof settings>): Promise<void> {
  await grant(
    { type: 'TOPIC', name: topic, operations: ['WRITE', 'DESCRIBE', 'CREATE'] },
    { type: 'TOPIC', name: checkpointTopic, operations: ['READ', 'WRITE', 'DESCRIBE', 'CREATE'] },
    { type: 'TRANSACTIONAL_ID', name: `${transactionalIdPrefix}-contract-0`, operations: ['WRITE', 'DESCRIBE'] },
  );
}

async function failure(work: Promise<unknown>): Promise<SluiceError> {
  const error = await work.then(
    () => assert.fail('it should have failed'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SluiceError, inspect(error));
  return error;
}

async function writeOne(config: ReturnType<typeof settings>): Promise<void> {
  await using sink = await openSink(config);
  const claim = await sink.checkpoints?.claim(PARTITION, signal);
  await writeEvents(sink, [testEvent()], { owner: { partition: PARTITION, epoch: claim?.epoch ?? 1 } });
}

test('SCRAM over TLS with only the permissions it needs: exactly once', options, async () => {
  const config = settings();
  await grantAll(config);
  await writeOne(config);
  await writeOne(config);
  const target = { brokers: kafka.plainBrokers };
  const read = () => readTopic(target, config.topic, { isolation: 'read_uncommitted' });
  assert.equal((await readSettled(read)).length, 2);
});

test('a client certificate is sent, and the check may be turned off explicitly', options, async () => {
  const { files } = kafka.security.tls ?? assert.fail();
  for (const tls of [
    { ca: files.caFile, cert: files.clientCertificateFile, key: files.clientKeyFile },
    { insecure: true },
  ]) {
    const config = settings({ tls });
    await grantAll(config);
    await writeOne(config);
  }
});

test('a missing permission is named, and it is enough to grant it', options, async () => {
  const config = settings();
  const error = await failure(writeOne(config));
  assert.deepEqual([error.kind, error.code], ['transient', 'kafka.authorization']);
  assert.match(error.message, /TOPIC_AUTHORIZATION_FAILED/);
  await grant({ type: 'TOPIC', name: config.checkpointTopic, operations: ['READ', 'WRITE', 'DESCRIBE', 'CREATE'] });
  const next = await failure(writeOne(config));
  assert.match(next.message, /TRANSACTIONAL_ID_AUTHORIZATION_FAILED/);
  assert.match(next.hint ?? '', /transactionalIdPrefix/);
  await grantAll(config);
  await writeOne(config);
});

test('a wrong password is told clearly, shows nothing, and a corrected one is taken up', options, async () => {
  const config = settings({
    sasl: { mechanism: 'scram-sha-512', username: 'sluice', password: 'canary-password' },
  });
  const error = await failure(openSink(config));
  assert.deepEqual([error.kind, error.code], ['transient', 'kafka.authentication']);
  assert.match(error.message, /refused the login/);
  assert.match(error.hint ?? '', /sasl/);
  assert.doesNotMatch(inspect(error, { depth: 12, showHidden: true }), /canary/);
  const findings = await checkKafkaSink(kafkaSinkConfig.parse(config), sinkContext());
  assert.deepEqual(
    findings.map(({ level }) => level),
    ['error'],
  );
  assert.doesNotMatch(inspect(findings, { depth: 12 }), /canary/);
  await setPassword('canary-password');
  await grantAll(config);
  await writeOne(config);
  const old = await failure(openSink(settings()));
  assert.equal(old.code, 'kafka.authentication');
  await setPassword(kafka.security.login?.password ?? '');
});

test('no secret in anything a sink shows', options, async () => {
  const config = settings();
  await grantAll(config);
  await using sink = await openSink(config);
  const password = kafka.security.login?.password ?? assert.fail();
  assert.ok(!inspect(sink, { depth: 20, showHidden: true }).includes(password));
  assert.ok(!JSON.stringify(kafkaSinkConfig.parse(config)).includes(password));
});

test('a mechanism that the broker does not have is a login that is refused', options, async () => {
  const sasl = { mechanism: 'plain', username: 'sluice', password: 'canary-password' };
  const error = await failure(openSink(settings({ sasl })));
  assert.deepEqual([error.kind, error.code], ['transient', 'kafka.authentication']);
  assert.doesNotMatch(inspect(error, { depth: 12, showHidden: true }), /canary/);
});

test('TLS that does not fit is told apart', options, async () => {
  const untrusted = await failure(openSink(settings({ tls: true })));
  assert.deepEqual([untrusted.kind, untrusted.code], ['transient', 'kafka.tls']);
  assert.match(untrusted.hint ?? '', /tls\.ca/);
  const plain = await failure(openSink(settings({ tls: false, sasl: undefined })));
  assert.deepEqual([plain.kind, plain.code], ['config', 'kafka.tls-required']);
  const wrongPort = await failure(openSink(settings({ brokers: kafka.plainBrokers, sasl: undefined })));
  assert.deepEqual([wrongPort.kind, wrongPort.code], ['transient', 'kafka.tls']);
  const missing = await failure(openSink(settings({ tls: { ca: '/nowhere/ca.pem' } })));
  assert.deepEqual([missing.kind, missing.code], ['config', 'kafka.tls-file']);
});

test('a broker that wants a login closes on those without one', options, async () => {
  const error = await failure(openSink(settings({ sasl: undefined })));
  assert.equal(error.kind, 'transient');
});
