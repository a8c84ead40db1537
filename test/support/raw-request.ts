import { connect } from 'node:net';

/** One request as it goes over the wire; `{}` in the path stands for what is asked for. */
export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: readonly string[];
  readonly body?: string;
}

/** Sends bytes of our own making and gives back all that comes, but for what is of this one answer (its time and id). */
export async function sendRaw(url: string, { method = 'GET', path, headers = [], body = '' }: RawRequest) {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: tools.example', ...headers];
  if (!headers.some((line) => /^connection:/i.test(line))) lines.push('Connection: close');
  if (body !== '' && !headers.some((line) => /^(content-length|transfer-encoding):/i.test(line))) {
    lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  }
  socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
  let text = '';
  // A server that answers ahead of the body may reset what is still being sent.
  socket.on('error', () => undefined);
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  await new Promise<void>((resolve) => socket.on('close', () => resolve()));
  const id = /x-request-id: (\S+)/i.exec(text)?.[1];
  const bare = text.replace(/^date: .*\r\n/im, '').replace(/retry-after: \d+|"retry_after":\d+/gi, '');
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status));
  return { text: id === undefined ? bare : bare.replaceAll(id, 'ID'), id, status: statuses.at(-1) ?? 0 };
}
