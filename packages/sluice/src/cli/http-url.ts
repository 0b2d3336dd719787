import { InvalidArgumentError } from 'commander';

/** For the option `--url`: the address without a slash at its end. */
export function httpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.href.replace(/\/$/, '');
  throw new InvalidArgumentError('It must begin with http:// or https://.');
}
