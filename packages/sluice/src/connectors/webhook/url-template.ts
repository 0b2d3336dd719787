import type { Namespace } from '../../core/change-event.ts';
import { SluiceError } from '../../core/failure.ts';

const PLACEHOLDER = /\{(db|coll)\}/g;
/** More namespaces than this are not remembered at once. */
const MOST_REMEMBERED = 10_000;

/** Why the text is no URL of an endpoint; undefined when it is one. `{db}` and `{coll}` may stand behind the host. */
export function urlProblem(text: string): string | undefined {
  const filled = text.replaceAll(PLACEHOLDER, 'x');
  if (/[\s\\{}]/.test(filled)) return 'must be a URL without spaces and backslashes; `{db}` and `{coll}` are replaced';
  if (!URL.canParse(filled)) return 'must be a URL';
  const { protocol, username, password, hash, origin } = new URL(filled);
  if (protocol !== 'https:' && protocol !== 'http:') return 'must start with https://';
  if (username !== '' || password !== '') return 'must not hold a login: use `auth`';
  if (hash !== '') return 'must not have a fragment (#)';
  if (origin !== new URL(text.replaceAll(PLACEHOLDER, 'y')).origin) return 'must not have placeholders in the host';
  return undefined;
}

/** Derives where an event goes. The host is always the same; names in the path and the query are percent-encoded. */
export class UrlTemplate {
  readonly origin: string;
  /** True when the path depends on the namespace. */
  readonly varies: boolean;
  readonly #path: string;
  readonly #paths = new Map<Namespace, string>();

  constructor(url: string) {
    const { origin } = new URL(url.replaceAll(PLACEHOLDER, 'x'));
    this.origin = origin;
    this.#path = pathOf(url);
    this.varies = this.#path.includes('{');
  }

  /** Path and query for events of the namespace. Throws `rejected` for a name that would lead elsewhere. */
  pathOf(namespace: Namespace): string {
    if (!this.varies) return this.#path;
    let path = this.#paths.get(namespace);
    if (path === undefined) {
      path = fill(this.#path, namespace);
      if (this.#paths.size >= MOST_REMEMBERED) this.#paths.clear();
      this.#paths.set(namespace, path);
    }
    return path;
  }
}

/** Everything behind the host, in normal form but for its placeholders. */
function pathOf(url: string): string {
  const marked = url.replaceAll('{db}', 'sluice--db--').replaceAll('{coll}', 'sluice--coll--');
  const { pathname, search } = new URL(marked);
  return `${pathname}${search}`.replaceAll('sluice--db--', '{db}').replaceAll('sluice--coll--', '{coll}');
}

/** An empty name (the collection of a database event) takes the separator before it along: `/shop`, not `/shop/`. */
function fill(template: string, { db, coll }: Namespace): string {
  const compact = coll === '' ? template.replaceAll(/[/._-]?\{coll\}/g, '') : template;
  return compact.replaceAll(PLACEHOLDER, (_, name: 'db' | 'coll') => segment(name === 'db' ? db : coll));
}

function segment(name: string): string {
  if (/^\.{1,2}$/.test(name)) {
    throw new SluiceError(`the name "${name}" cannot be part of a URL`, {
      kind: 'rejected',
      code: 'webhook.url-name',
      hint: 'Rename the collection, or leave it out.',
    });
  }
  return encodeURIComponent(name.toWellFormed());
}
