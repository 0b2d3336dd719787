import type { ChangeEvent, Namespace, Operation } from '../../core/change-event.ts';
import { keyToken, subjectToken } from './subject-token.ts';

const PLACEHOLDER = /\{(db|coll|COLL|op|key)\}/g;
const LITERAL = /^[A-Za-z0-9_/=+@#:-]*$/;

/** More namespaces than this are not remembered at once. */
const MOST_REMEMBERED = 10_000;

/** True when the text is tokens of literal characters and placeholders, separated by dots. */
export function isSubjectTemplate(template: string): boolean {
  const tokens = template.split('.');
  return tokens.every((token) => token !== '' && LITERAL.test(token.replaceAll(PLACEHOLDER, '')));
}

/** True for a subject as a stream may list it: no spaces, no empty tokens, `*` and `>` as whole tokens only. */
export function isSubjectFilter(subject: string): boolean {
  const tokens = subject.split('.');
  return tokens.every((token, index) => {
    if (token === '>') return index === tokens.length - 1;
    return token === '*' || /^[^\s*>]+$/.test(token);
  });
}

/** True when there are subjects that both stand for. */
export function subjectsOverlap(one: string, other: string): boolean {
  const [left, right] = [one.split('.'), other.split('.')];
  for (let index = 0; ; index += 1) {
    const [a, b] = [left[index], right[index]];
    if (a === undefined || b === undefined) return a === b;
    if (a === '>' || b === '>') return true;
    if (a !== b && a !== '*' && b !== '*') return false;
  }
}

/** True when each subject that `filter` stands for is one that `other` stands for. */
export function isCoveredBy(filter: string, other: string): boolean {
  const [narrow, wide] = [filter.split('.'), other.split('.')];
  for (const [index, token] of wide.entries()) {
    const mine = narrow[index];
    if (token === '>') return mine !== undefined;
    if (mine === undefined || mine === '>') return false;
    if (token !== '*' && token !== mine) return false;
  }
  return narrow.length === wide.length;
}

/**
 * The subjects that a new stream takes for a template. None where the first token is replaced: JetStream allows no
 * wildcard there, so those subjects are added when their first events come.
 */
export function subjectsOfTemplate(template: string): readonly string[] {
  const [first = '', ...rest] = template.split('.');
  if (first.includes('{')) return [];
  return [[first, ...rest.map((token) => (token.includes('{') ? '*' : token))].join('.')];
}

/** Derives the subjects of events by a template: always legal, and the same for events of one namespace, op and key. */
export class SubjectTemplate {
  readonly #template: string;
  readonly #byKey: boolean;
  readonly #subjects = new Map<string, string>();
  readonly #filters = new Map<Namespace, string>();
  #last: { readonly namespace: Namespace; readonly op: Operation; readonly subject: string } | undefined;

  constructor(template: string) {
    this.#template = template;
    this.#byKey = template.includes('{key}');
  }

  /** The subject of the event, which goes to `namespace`. Throws `rejected` for a key that is not valid BSON. */
  subjectOf(event: ChangeEvent, namespace: Namespace): string {
    const subject = this.#withoutKey(namespace, event.op);
    if (!this.#byKey) return subject;
    const key = keyToken(event.key());
    return subject.replaceAll('{key}', () => key);
  }

  /** The subjects of all events of the namespace, with `*` where operation and key are. */
  filterOf(namespace: Namespace): string {
    let filter = this.#filters.get(namespace);
    if (filter === undefined) {
      const tokens = this.#template.split('.').map((token) => (/\{(op|key)\}/.test(token) ? '*' : token));
      filter = fill(tokens.join('.'), namespace, '');
      if (this.#filters.size >= MOST_REMEMBERED) this.#filters.clear();
      this.#filters.set(namespace, filter);
    }
    return filter;
  }

  #withoutKey(namespace: Namespace, op: Operation): string {
    const last = this.#last;
    if (last !== undefined && last.namespace === namespace && last.op === op) return last.subject;
    const id = `${namespace.db}\0${namespace.coll}\0${op}`;
    let subject = this.#subjects.get(id);
    if (subject === undefined) {
      subject = fill(this.#template, namespace, op);
      if (this.#subjects.size >= MOST_REMEMBERED) this.#subjects.clear();
      this.#subjects.set(id, subject);
    }
    this.#last = { namespace, op, subject };
    return subject;
  }
}

/** The template with everything replaced but the key. */
function fill(template: string, { db, coll }: Namespace, op: Operation): string {
  const values: Readonly<Record<string, string>> = {
    db: subjectToken(db),
    coll: subjectToken(coll),
    COLL: subjectToken(coll.toUpperCase()),
    op: subjectToken(op),
  };
  return template.replaceAll(PLACEHOLDER, (all, name: string) => values[name] ?? all);
}
