import type { LoadedConfig } from '../config/load.ts';
import { configFileOf, type Invocation } from './action.ts';

/** Loads the configuration of a call; its secrets are hidden from everything the command prints. */
export async function loadCalled(invocation: Invocation<unknown>): Promise<LoadedConfig> {
  const [{ loadConfig }, { registry }] = await Promise.all([
    import('../config/load.ts'),
    import('../connectors/registry.ts'),
  ]);
  const { options, env } = invocation;
  const loaded = loadConfig({ file: configFileOf(options), registry, env });
  invocation.hide(loaded.secrets);
  return loaded;
}
