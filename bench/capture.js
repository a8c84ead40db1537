import { connect } from 'node:net';

// What node:http writes of its own accord.
const own = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding']);

/** Sends one request and gives its answer as it came, so that the raw server can write the same bytes. */
export async function capture(port, request) {
  const bytes = await exchange(port, request.replace('\r\n', '\r\nConnection: close\r\n'));
  const end = bytes.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const fields = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
  const isChunked = fields.some(([name, value]) => name.toLowerCase() === 'transfer-encoding' && value === 'chunked');
  const body = isChunked ? joinChunks(bytes.subarray(end + 4)) : bytes.subarray(end + 4);
  const headers = fields.filter(([name]) => !own.has(name.toLowerCase()));
  if (isChunked) headers.push(['content-length', String(body.length)]);
  return { status: Number(statusLine.split(' ')[1]), headers: headers.flat(), body: body.toString('base64') };
}

/** Sends one request; how long its answer takes to begin, and how many bytes it has in all, head included. */
export async function timeAnswer(port, request) {
  const start = performance.now();
  let first_byte_ms;
  const bytes = await exchange(port, request.replace('\r\n', '\r\nConnection: close\r\n'), () => {
    first_byte_ms ??= performance.now() - start;
  });
  return { first_byte_ms, bytes: bytes.length };
}

function exchange(port, request, onData = () => undefined) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.setTimeout(10_000, () => socket.destroy(new Error('An answer did not come.')));
    socket
      .on('data', (chunk) => chunks.push(chunk))
      .on('data', onData)
      .once('error', reject);
    socket.on('close', () => resolve(Buffer.concat(chunks)));
  });
}

function joinChunks(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; ) {
    const line = bytes.indexOf('\r\n', at);
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16);
    if (!size) break;
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
  return Buffer.concat(parts);
}
