import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { freePorts } from './free-port.ts';

const MANY = 300;
/** Prints ports as the test itself gets them, and keeps them for as long as it runs. */
const OTHER = `
  import { freePorts } from '${new URL('./free-port.ts', import.meta.url).href}';
  console.log(JSON.stringify(await freePorts(${MANY})));
`;

test('a port is given out once, however often this process and others ask', async (t) => {
  if (process.platform !== 'linux') return t.diagnostic('only Linux has such names');
  const taken = await freePorts(MANY);
  const more = await freePorts(MANY);
  const args = ['--input-type=module-typescript', '--eval', OTHER];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const all = [...taken, ...more, ...(JSON.parse(stdout) as number[])];
  assert.equal(new Set(all).size, 3 * MANY);
});

test('one on which somebody listens is not given out, and one that is can be listened on', async () => {
  const [port = 0] = await freePorts(1);
  await using server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  assert.ok(!(await freePorts(MANY)).includes(port));
});
