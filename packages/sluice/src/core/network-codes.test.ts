import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCertificateCode, isConnectionCode, isNameCode } from './network-codes.ts';

const MEANINGS = { certificate: isCertificateCode, name: isNameCode, connection: isConnectionCode };
const CODES: readonly (readonly [code: string, meaning: keyof typeof MEANINGS | undefined])[] = [
  ['CERT_HAS_EXPIRED', 'certificate'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'certificate'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'certificate'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'certificate'],
  ['EPROTO', 'certificate'],
  ['ENOTFOUND', 'name'],
  ['EAI_AGAIN', 'name'],
  ['ETIMEOUT', 'name'],
  ['ETIMEDOUT', 'connection'],
  ['ECONNREFUSED', 'connection'],
  ['ECONNRESET', 'connection'],
  ['EPIPE', 'connection'],
  ['ERR_STREAM_DESTROYED', 'connection'],
  ['ERR_STREAM_WRITE_AFTER_END', 'connection'],
  ['ERR_SOCKET_CLOSED', 'connection'],
  ['ENOENT', undefined],
  ['EMFILE', undefined],
  ['ERR_INVALID_ARG_TYPE', undefined],
  ['', undefined],
];

for (const [code, meaning] of CODES) {
  test(`${code || 'no code'} is of ${meaning ?? 'none of these'}`, () => {
    const meanings = Object.entries(MEANINGS).filter(([, means]) => means(code));
    assert.deepEqual(
      meanings.map(([name]) => name),
      meaning === undefined ? [] : [meaning],
    );
  });
}
