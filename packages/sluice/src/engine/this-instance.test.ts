import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { ProcessMark } from '../core/lease.ts';
import { hasEnded, thisInstance } from './this-instance.ts';

const marked = (process: ProcessMark | undefined) => ({ id: 'x', name: 'x', process });

test('every run has an identity of its own', () => {
  assert.notEqual(thisInstance().id, thisInstance().id);
  assert.match(thisInstance().name, new RegExp(`:${process.pid}$`));
});

test('a process that runs has not ended', () => {
  assert.equal(hasEnded(thisInstance()), false);
});

test('a process that nothing is known about counts as running', () => {
  assert.equal(hasEnded(marked(undefined)), false);
});

test('only a process of this machine, boot and process space can be known to have ended', () => {
  const { process: mark } = thisInstance();
  // Where the system tells nothing there is no mark, and nothing to find out.
  if (mark === undefined) return;
  const { pid } = spawnSync(process.execPath, ['--version']);
  assert.equal(hasEnded(marked({ ...mark, pid })), true, 'its number is free');
  assert.equal(hasEnded(marked({ ...mark, startedAt: '1' })), true, 'its number is another process now');
  assert.equal(hasEnded(marked({ ...mark, pid, space: `${mark.space}-other` })), false, 'it ran elsewhere');
});
