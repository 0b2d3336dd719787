import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempDir } from '../testing/temp-dir.ts';
import { readCertificates } from './named-file.ts';

test('certificates that are named are read, and others are absent', async () => {
  await using directory = await tempDir('pem');
  const [ca, key] = ['ca.pem', 'key.pem'].map((name) => join(directory.path, name)) as [string, string];
  await writeFile(ca, 'authority');
  await writeFile(key, 'secret');
  assert.deepEqual(await readCertificates({ ca, cert: undefined, key }, 'x.file'), { ca: 'authority', key: 'secret' });
  assert.deepEqual(await readCertificates({}, 'x.file'), {});
});

test('a file that cannot be read is an error of the configuration that names the setting and the path', async () => {
  await using directory = await tempDir('pem');
  const cert = join(directory.path, 'nowhere.pem');
  await assert.rejects(readCertificates({ cert }, 'x.file'), {
    kind: 'config',
    code: 'x.file',
    message: `tls.cert: the file "${cert}" cannot be read`,
  });
});
