import { LoadError } from '../core/index.js';

// What frames the message, names the host or asks for an encoding is the connection's, not a template's (RFC 9110
// section 7.6.1); a Host other than the URL's would also change the name that TLS checks.
const connectionHeaders: ReadonlySet<string> = new Set([
  ...['accept-encoding', 'connection', 'content-length', 'expect', 'host', 'http2-settings', 'keep-alive'],
  ...['proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
]);

/** Throws LoadError for a header that a template must not set. */
export function refuseConnectionHeader(name: string, place: { readonly file: string; readonly pointer: string }): void {
  if (!connectionHeaders.has(name.toLowerCase())) return;
  throw LoadError.of({
    rule: 'header-reserved',
    file: place.file,
    pointer: place.pointer,
    message: `${name} belongs to the connection and cannot be set.`,
    mend: 'Take it out.',
  });
}
