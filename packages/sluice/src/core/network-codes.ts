/**
 * What Node's codes of errors on the way to a server mean (the names of `errno`, and those of its modules `net`, `dns`,
 * `tls` and `stream`). Client libraries pass them on, often behind an error of their own, and sometimes bare.
 */
const CERTIFICATE =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO$)/;
const NAME = /^(ENOTFOUND|EAI_|ENODATA|ESERVFAIL|ETIMEOUT$)/;
const CONNECTION =
  /^(ECONN|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EHOSTDOWN|ETIMEDOUT|EPIPE|EADDRNOTAVAIL|ERR_SOCKET|ERR_STREAM_)/;

/** A certificate is not accepted, or the peer does not speak TLS. */
export function isCertificateCode(code: string): boolean {
  return CERTIFICATE.test(code);
}

/** No address was found for a name. */
export function isNameCode(code: string): boolean {
  return NAME.test(code);
}

/** There is no connection, or it is gone. */
export function isConnectionCode(code: string): boolean {
  return CONNECTION.test(code);
}
