/** Frames of HTTP/2 (RFC 9113 section 4.1), for clients that send what no library would. */
const types = { data: 0, headers: 1, reset: 3, settings: 4, goaway: 7, windowUpdate: 8 } as const;
const endStream = 1;
const endHeaders = 4;

export function frame(type: keyof typeof types, stream: number, payload: Buffer = Buffer.alloc(0), flags = 0): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(types[type], 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A request; one with a body goes on with data frames. */
export function requestFrame(stream: number, headers: Readonly<Record<string, string>>, hasBody = false): Buffer {
  const all = { ':method': hasBody ? 'POST' : 'GET', ':scheme': 'http', ':authority': 'localhost', ...headers };
  const fields = Object.entries(all).map(([name, value]) => Buffer.concat([Buffer.of(0), text(name), text(value)]));
  return frame('headers', stream, Buffer.concat(fields), hasBody ? endHeaders : endHeaders | endStream);
}

export function dataFrame(stream: number, body: string, isLast = true): Buffer {
  return frame('data', stream, Buffer.from(body), isLast ? endStream : 0);
}

export function goawayFrame(code: number): Buffer {
  return frame('goaway', 0, Buffer.concat([number(0), number(code)]));
}

export function resetFrame(stream: number, code: number): Buffer {
  return frame('reset', stream, number(code));
}

export function windowFrame(stream: number, increment: number): Buffer {
  return frame('windowUpdate', stream, number(increment));
}

/** What a connection by prior knowledge begins with. */
export const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame('settings', 0)]);

/** The streams that frames of a type belong to, in the order in which they came. */
export function streamsOf(type: keyof typeof types, received: Buffer): number[] {
  const streams: number[] = [];
  for (let at = 0; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3)) {
    if (received[at + 3] === types[type]) streams.push(received.readUInt32BE(at + 5));
  }
  return streams;
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A string of fewer than 127 bytes (RFC 7541 section 5.2). */
function text(value: string): Buffer {
  return Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
}
