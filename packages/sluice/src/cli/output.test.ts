import assert from 'node:assert/strict';
import { test } from 'node:test';
import { styleText } from 'node:util';
import type { Logger } from '../core/logger.ts';
import { testStatus } from '../testing/statuses.ts';
import { masker } from './failure-output.ts';
import { humanBytes, humanCount, humanSpan, shorten } from './human.ts';
import { LiveBlock } from './live-block.ts';
import { createLogger } from './logging.ts';
import { pipelineLine } from './pipeline-line.ts';
import { statusTable } from './status-table.ts';
import { renderTable } from './table.ts';
import type { Style } from './terminal.ts';

const plain = (_style: Style, text: string) => text;
const NOW = 1_700_000_100_000;

test('spans, numbers and sizes read like said', () => {
  const spans = [0, 120, 4_210, 59_000, 185_000, 7_200_000, 7_800_000, 273_600_000].map(humanSpan);
  assert.deepEqual(spans, ['0 ms', '120 ms', '4.2 s', '59 s', '3 min 5 s', '2 h', '2 h 10 min', '3 d 4 h']);
  assert.equal(humanCount(1_234_567.4), '1,234,567');
  assert.deepEqual([0, 512, 1536, 104_857_600].map(humanBytes), ['0 B', '512 B', '1.5 KiB', '100 MiB']);
  assert.equal(shorten('abcdef', 4), 'abc…');
  assert.equal(shorten('äöü', 3), 'äöü');
});

test('columns of a table line up, colours take no room', () => {
  const green = styleText('green', 'ok', { validateStream: false });
  const text = renderTable(
    [{ title: 'A' }, { title: 'B', align: 'right' }, { title: 'C' }],
    [
      [green, '1', 'x'],
      ['longer', '22', ''],
    ],
  );
  assert.equal(text, `A        B  C\n${green}       1  x\nlonger  22\n`);
});

test('a live block is redrawn in place and cut to the width of the terminal', () => {
  let written = '';
  const block = new LiveBlock({ write: (text: string) => (written += text), columns: 6 });
  block.show(['one', 'a long line']);
  assert.equal(written, 'one\na lon');
  written = '';
  block.above('log\n');
  assert.equal(written, '\r\u001b[1A\u001b[Jlog\none\na lon');
  written = '';
  block.show([styleText('red', 'coloured', { validateStream: false })]);
  assert.equal(written, `\r\u001b[1A\u001b[J${styleText('red', 'colou', { validateStream: false })}`);
  written = '';
  block.end();
  block.above('x\n');
  assert.equal(written, '\nx\n');
});

test('a broken pipeline stands on top, with its error, hint and next try', () => {
  const error = {
    kind: 'transient',
    code: 'kafka.unreachable',
    message: 'no broker answers',
    hint: 'Start it.',
    atMs: NOW,
  } as const;
  const backingOff = { name: 'z', state: 'backing-off', error, retries: 3, nextTryAtMs: NOW + 12_000 } as const;
  const text = statusTable([testStatus(), testStatus(backingOff)], { paint: plain, nowMs: NOW });
  const lines = text.split('\n');
  assert.match(lines[1] ?? '', /^z +backing-off/);
  assert.match(lines[2] ?? '', /^orders +running +1 min 40 s +43\/s +120 ms +0 B +990 +2 +9\.5 s ago +23 h 53 min$/);
  assert.equal(lines[4], 'z: no broker answers (kafka.unreachable) (3 failures in a row); next try in 12 s');
  assert.equal(lines[5], '  hint: Start it.');
});

test('a pipeline that makes no progress is never called running', () => {
  const line = pipelineLine(testStatus({ stalled: true }), plain, NOW);
  assert.match(line, /^orders stalled  43\/s  lag 120 ms  990 delivered  2 dead letters  oplog left 23 h 53 min$/);
  assert.doesNotMatch(
    pipelineLine(testStatus({ lagMs: undefined, headroomSeconds: undefined }), plain, NOW),
    /undefined/,
  );
});

function logged(pretty: boolean, log: (logger: Logger) => void): string {
  let lines = '';
  const write = (line: string) => (lines += line);
  log(createLogger({ level: 'info', pretty, write, mask: masker(['canary', '4711', 'true']), paint: plain }));
  return lines;
}

test('logs mask secrets and connection strings in every form', () => {
  const log = (logger: Logger) => {
    const error = Object.assign(new Error('refused by mongodb://u:p@host'), {
      code: 'x',
      client: { password: 'hunter2' },
    });
    logger
      .child({ pipeline: 'orders' })
      .warn({ error, token: 'a canary in the field' }, 'canary of mongodb://u:p@host/');
    logger.debug({ number: 4711 }, 'not shown');
  };
  const json = logged(false, log);
  const { level, pipeline, msg, error } = JSON.parse(json) as Record<string, unknown>;
  assert.deepEqual([level, pipeline, msg], ['warn', 'orders', '*** of mongodb://***@host/']);
  assert.deepEqual(error, { name: 'Error', message: 'refused by mongodb://***@host', code: 'x' });
  const readable = logged(true, log);
  assert.match(readable, /^\d\d:\d\d:\d\d warn {2}orders: \*\*\* of mongodb:\/\/\*\*\*@host\/ {2}error=/);
  for (const text of [json, readable]) assert.doesNotMatch(text, /canary|hunter2|u:p|not shown/);
});

test('a secret that looks like a part of the time breaks no line', () => {
  let line = '';
  const write = (text: string) => (line += text);
  const logger = createLogger({ level: 'info', pretty: true, write, mask: masker(['20', ':']), paint: plain });
  logger.info({}, 'still logged');
  assert.match(line, /still logged/);
});

test('with a lease the table says who owns a pipeline', () => {
  const lease = { owned: true, owner: 'host-1:17', epoch: 4, expiresAtMs: NOW + 9_000 };
  const statuses = [
    testStatus({ lease }),
    testStatus({ name: 'users', state: 'standby', lease: { ...lease, owned: false, owner: 'host-2:9' } }),
    testStatus({ name: 'views' }),
  ];
  const [head, ...rows] = statusTable(statuses, { paint: plain, nowMs: NOW }).split('\n');
  assert.match(head ?? '', /^PIPELINE  STATE    OWNER +SINCE/);
  assert.match(rows.join('\n'), /^orders    running  here .*\nusers     standby  host-2:9 .*\nviews     running  - /);
  assert.doesNotMatch(statusTable([testStatus()], { paint: plain, nowMs: NOW }), /OWNER/);
  const waiting = statuses[1] ?? assert.fail();
  assert.equal(pipelineLine(waiting, plain, NOW), 'users standby  owned by host-2:9');
});
