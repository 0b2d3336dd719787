import { resolve } from 'node:path';
import { test } from 'node:test';
import { registry } from '../connectors/registry.ts';
import { assertGolden } from '../testing/golden.ts';
import { configJsonSchema } from './json-schema.ts';
import { referencePage } from './reference-page.ts';

const root = resolve(import.meta.dirname, '../../../..');

test('the published JSON Schema is that of the code', () => {
  const schema = `${JSON.stringify(configJsonSchema(registry), null, 2)}\n`;
  assertGolden(resolve(root, 'packages/sluice/schema/sluice.schema.json'), schema);
});

test('the reference page is that of the code', () => {
  assertGolden(resolve(root, 'docs/reference/configuration.md'), referencePage(registry));
});
