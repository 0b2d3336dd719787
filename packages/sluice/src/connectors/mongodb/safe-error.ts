import { redactUri } from '../../settings/secret.ts';

const MAX_MESSAGE_CHARACTERS = 400;

/**
 * What may be shown of a driver's or server's message: no credentials, no resume tokens (they contain document keys),
 * no quoted documents, commands or queries, not longer than a few lines.
 */
export function safeMessage(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const cleaned = redactUri(text)
    .replace(/\{ ?_data: "[^"]*" ?\}/g, '{_data: …}')
    .replace(/\b(execute command) \{.*$/gs, '$1 …')
    .replace(/(Tree): .*?(?=planner returned error|$)/gs, '$1: … ')
    .replace(/\b(found|key|dup key|document|obj): \{.*$/gis, '$1: …')
    .replace(/\s+/g, ' ')
    .trim();
  return cleaned.length <= MAX_MESSAGE_CHARACTERS ? cleaned : `${cleaned.slice(0, MAX_MESSAGE_CHARACTERS - 1)}…`;
}

/**
 * A plain copy of an error to keep as `cause`. The driver's own objects carry options, topologies and replies, and
 * with them passwords and documents; printing one would print those.
 */
export function safeCause(error: unknown): Error {
  const copy: Error & { code?: unknown; codeName?: unknown } = new Error(safeMessage(error));
  if (!(error instanceof Error)) return copy;
  copy.name = error.name;
  const frames = error.stack?.split('\n').filter((line) => line.startsWith('    at ')) ?? [];
  copy.stack = [`${copy.name}: ${copy.message}`, ...frames].join('\n');
  if ('code' in error) copy.code = typeof error.code === 'string' ? error.code : Number(error.code);
  if ('codeName' in error && typeof error.codeName === 'string') copy.codeName = error.codeName;
  return copy;
}
