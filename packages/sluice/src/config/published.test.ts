import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { test } from 'node:test';
import { registry } from '../connectors/registry.ts';
import { configJsonSchema } from './json-schema.ts';
import { referencePage } from './reference-page.ts';

const root = resolve(import.meta.dirname, '../../../..');

/** Compares with the file that is published; `SLUICE_UPDATE_GOLDEN=1` writes it. */
function assertPublished(path: string, content: string): void {
  const file = resolve(root, path);
  if (process.env['SLUICE_UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  assert.equal(
    readFileSync(file, 'utf8'),
    content,
    `${path} is out of date: run this test with SLUICE_UPDATE_GOLDEN=1`,
  );
}

test('the published JSON Schema is that of the code', () => {
  const schema = `${JSON.stringify(configJsonSchema(registry), null, 2)}\n`;
  assertPublished('packages/sluice/schema/sluice.schema.json', schema);
});

test('the reference page is that of the code', () => {
  assertPublished('docs/reference/configuration.md', referencePage(registry));
});
