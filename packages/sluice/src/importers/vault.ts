import { Secret } from '../settings/secret.ts';
import type { ImportVariable } from './import-result.ts';

const PROVIDER = /\$\{[^}]*\}/;
const ENV_REFERENCE = /^\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}$/;
const SECRET_PARAMETER = /[?&][^=&]*(?:password|secret|token|authMechanismProperties)=/i;

/** Takes secrets out of an input: each becomes a reference to an environment variable. */
export class Vault {
  readonly #variables: ImportVariable[] = [];
  readonly #secrets: Record<string, Secret> = {};

  /** The reference to write in place of a secret. A reference of the input to the environment stays the same. */
  keep(name: string, meaning: string, value: string): string {
    const known = ENV_REFERENCE.exec(value)?.[1];
    // What a configuration provider of Kafka Connect holds is not known here.
    if (known === undefined && !PROVIDER.test(value)) this.#secrets[name] = new Secret(value);
    return this.#refer(known ?? name, meaning);
  }

  /** A MongoDB connection string as it may stand in a file: its password is a reference, or all of it. */
  uri(value: string): string {
    const meaning = 'MongoDB connection string';
    if (PROVIDER.test(value) || SECRET_PARAMETER.test(value)) return this.keep('MONGO_URI', meaning, value);
    const userInfo = /^(mongodb(?:\+srv)?:\/\/)(.*)@([^@]*)$/.exec(value);
    const [, scheme = '', credentials = '', rest = ''] = userInfo ?? [];
    const colon = credentials.indexOf(':');
    if (colon < 0) return value;
    const password = credentials.slice(colon + 1);
    const reference = this.keep('MONGO_PASSWORD', 'password of the MongoDB user, percent-encoded', password);
    return `${scheme}${credentials.slice(0, colon)}:${reference}@${rest}`;
  }

  get variables(): readonly ImportVariable[] {
    return this.#variables;
  }

  get secrets(): Readonly<Record<string, Secret>> {
    return this.#secrets;
  }

  #refer(name: string, meaning: string): string {
    if (!this.#variables.some((variable) => variable.name === name)) this.#variables.push({ name, meaning });
    return `\u0024{env:${name}}`;
  }
}
