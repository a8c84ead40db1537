import type { ClientCertificate, PresentedCredential } from './credential.js';

/** Longest credential that is looked at, in characters: what Node's header limit of 16 KiB lets through at most. */
export const maxCredentialLength = 16_384;

// RFC 6750 section 2.1: `Bearer` 1*SP b64token, the scheme in any case (RFC 9110 section 11.1).
const bearer = /^Bearer +[A-Za-z0-9\-._~+/]+=*$/i;
// A key sent in a header of its own may hold any visible character.
const visible = /^[\x21-\x7e]+$/;

/**
 * Takes the credential out of a request's raw headers (name, value, name, value…, as Node gives them; the parsed
 * `headers` would hide a second Authorization). Two headers, or both kinds at once, have no single meaning and come
 * back as `malformed` (RFC 6750 section 2: one method a request). Never throws.
 */
export function readCredential(
  rawHeaders: readonly string[],
  address: string,
  certificate?: ClientCertificate,
): PresentedCredential {
  let authorization: string | undefined;
  let apiKey: string | undefined;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (name.length === 13 && name.toLowerCase() === 'authorization') {
      if (authorization !== undefined) return present('malformed', undefined, address, certificate);
      authorization = rawHeaders[index + 1];
    } else if (name.length === 9 && name.toLowerCase() === 'x-api-key') {
      if (apiKey !== undefined) return present('malformed', undefined, address, certificate);
      apiKey = rawHeaders[index + 1];
    }
  }
  if (authorization !== undefined && apiKey !== undefined) return present('malformed', undefined, address, certificate);
  if (authorization !== undefined) {
    const token = parseBearer(authorization);
    return present(token === undefined ? 'malformed' : 'bearer', token, address, certificate);
  }
  if (apiKey !== undefined) {
    const good = apiKey.length <= maxCredentialLength && visible.test(apiKey);
    return present(good ? 'x_api_key' : 'malformed', good ? apiKey : undefined, address, certificate);
  }
  return present('none', undefined, address, certificate);
}

/** The token of an `Authorization: Bearer` value; undefined when it is anything else. */
function parseBearer(authorization: string): string | undefined {
  if (authorization.length > maxCredentialLength) return undefined;
  // A token has no space, so it begins behind the last one.
  return bearer.test(authorization) ? authorization.slice(authorization.lastIndexOf(' ') + 1) : undefined;
}

function present(
  transport: PresentedCredential['transport'],
  token: string | undefined,
  address: string,
  certificate: ClientCertificate | undefined,
): PresentedCredential {
  return { token, transport, certificate, address };
}
