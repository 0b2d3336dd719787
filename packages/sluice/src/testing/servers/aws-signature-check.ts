import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Keys of an AWS account, and for what they are asked. */
export interface AwsAccess {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary keys; must come with each request, signed. */
  readonly sessionToken: string | undefined;
  readonly region: string;
  readonly service: string;
}

/** A request as it came in. */
export interface ReceivedRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const MAX_SKEW_MS = 5 * 60_000;
const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;

/**
 * Why AWS would refuse the request, or undefined. Computes the signature anew from what was received, as AWS documents
 * it ("Create a signed AWS API request", Signature Version 4), without the library that the product signs with.
 */
export function signatureProblem(request: ReceivedRequest, access: AwsAccess, nowMs = Date.now()): string | undefined {
  const parts = AUTHORIZATION.exec(one(request.headers.authorization));
  if (parts === null) return 'there is no authorization of this algorithm';
  const [, keyId, day = '', region, service, signed = '', signature = ''] = parts;
  if (keyId !== access.accessKeyId) return 'the access key is not known';
  if (region !== access.region || service !== access.service) return 'the scope is of another region or service';
  const names = signed.split(';');
  const time = one(request.headers['x-amz-date']);
  const problem = timeProblem(time, day, nowMs) ?? headerProblem(request, names, access);
  if (problem !== undefined) return problem;
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = [ALGORITHM, time, scope, sha256(canonicalRequest(request, names))].join('\n');
  const key = [day, region ?? '', service ?? '', 'aws4_request'].reduce<string | Buffer>(
    hmac,
    `AWS4${access.secretAccessKey}`,
  );
  const same = timingSafeEqual(hmac(key, text), Buffer.from(signature, 'hex'));
  return same ? undefined : 'the signature does not match';
}

function timeProblem(time: string, day: string, nowMs: number): string | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time);
  if (parts === null || !time.startsWith(day)) return 'the time is missing or is not in the scope';
  const [year = 0, month = 0, date = 0, hour = 0, minute = 0, second = 0] = parts.slice(1).map(Number);
  const skew = Math.abs(Date.UTC(year, month - 1, date, hour, minute, second) - nowMs);
  return skew > MAX_SKEW_MS ? 'the signature has expired' : undefined;
}

function headerProblem(
  { headers, body }: ReceivedRequest,
  names: readonly string[],
  access: AwsAccess,
): string | undefined {
  const amazon = Object.keys(headers).filter((name) => name.startsWith('x-amz-'));
  const unsigned = ['host', ...amazon].find((name) => !names.includes(name));
  if (unsigned !== undefined) return `the header ${unsigned} is not signed`;
  if (names.join(';') !== names.toSorted().join(';')) return 'the names of signed headers are not in order';
  if (headers['x-amz-security-token'] !== access.sessionToken) return 'the security token is not valid';
  const claimed = headers['x-amz-content-sha256'];
  return claimed === undefined || claimed === sha256(body) ? undefined : 'the hash of the body does not match';
}

function canonicalRequest({ method, target, headers, body }: ReceivedRequest, names: readonly string[]): string {
  const [path = '', query = ''] = target.split(/\?([^]*)/);
  const lines = names.map((name) => `${name}:${one(headers[name]).trim().replace(/ +/g, ' ')}\n`);
  return [method, canonicalPath(path), canonicalQuery(query), lines.join(''), names.join(';'), sha256(body)].join('\n');
}

/** Every service but S3 wants the segments, which came encoded, encoded once more. */
const canonicalPath = (path: string): string => path.split('/').map(encoded).join('/');

function canonicalQuery(query: string): string {
  const pairs = query.split('&').filter((pair) => pair !== '');
  const canonical = pairs.map((pair) => {
    const [name = '', value = ''] = pair.split(/=([^]*)/);
    return `${encoded(decodeURIComponent(name))}=${encoded(decodeURIComponent(value))}`;
  });
  return canonical.toSorted().join('&');
}

/** All but letters, digits and `-._~`. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
const one = (header: string | readonly string[] | undefined): string => String(header ?? '');
