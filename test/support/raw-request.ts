import { exchangeRaw } from './raw.js';

/** One request as it goes over the wire. */
export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  /** Whole header lines. */
  readonly headers?: readonly string[];
  readonly body?: string;
}

/** Sends bytes of our own making and gives back all that comes, but for what is of this one answer (its time and id). */
export async function sendRaw(url: string, { method = 'GET', path, headers = [], body = '' }: RawRequest) {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: tools.example', ...headers];
  if (!headers.some((line) => /^connection:/i.test(line))) lines.push('Connection: close');
  if (body !== '' && !headers.some((line) => /^(content-length|transfer-encoding):/i.test(line))) {
    lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  }
  const text = await exchangeRaw(Number(new URL(url).port), `${lines.join('\r\n')}\r\n\r\n${body}`);
  const id = (/x-request-id: (\S+)/i.exec(text) ?? /"request_id":"([^"]+)/.exec(text))?.[1];
  const bare = text.replace(/^date: .*\r\n/im, '').replace(/retry-after: \d+|"retry_after":\d+/gi, '');
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status));
  return { text: id === undefined ? bare : bare.replaceAll(id, 'ID'), id, status: statuses.at(-1) ?? 0 };
}
