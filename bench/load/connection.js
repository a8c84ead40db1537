import { connect } from 'node:net';

// Sockets hand over what they read at once, so that all of them can share one buffer.
const shared = Buffer.allocUnsafe(262_144);
const lastChunk = '0\r\n\r\n';

/** One keep-alive connection that sends a request as soon as the last one is answered. */
export class Connection {
  #run;
  #socket;
  #sent_ms = 0;
  #partial;
  #left = -1;
  #chunked = false;
  #status = 0;

  constructor(run, port) {
    this.#run = run;
    this.#socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: { buffer: shared, callback: (length, buffer) => this.#read(length, buffer) },
    });
    this.ready = new Promise((resolve, reject) => {
      this.#socket.once('connect', resolve);
      this.#socket.once('error', reject);
    });
    this.#socket.on('close', () => run.lose(this));
  }

  send() {
    this.#sent_ms = performance.now();
    this.#socket.write(this.#run.next());
  }

  end() {
    this.#socket.destroy();
  }

  #read(length, buffer) {
    if (this.#left > 0) this.#take(length);
    else if (this.#chunked) this.#seekEnd(buffer, length);
    else this.#readHead(buffer.subarray(0, length));
    return true;
  }

  #readHead(bytes) {
    const data = this.#partial ? Buffer.concat([this.#partial, bytes]) : bytes;
    const end = data.indexOf('\r\n\r\n');
    if (end < 0) {
      this.#partial = Buffer.from(data);
      return;
    }
    this.#partial = undefined;
    const head = data.latin1Slice(0, end + 2);
    this.#status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1];
    const rest = data.length - end - 4;
    if (this.#status === 304 || this.#status === 204) this.#finish();
    else if (length !== undefined) {
      this.#left = Number(length);
      this.#take(rest);
    } else {
      this.#chunked = true;
      this.#seekEnd(data, data.length);
    }
  }

  #take(length) {
    this.#left -= length;
    if (this.#left <= 0) this.#finish();
  }

  // No body of the benchmark's own holds these bytes, and none ends in another packet than the chunk before it.
  #seekEnd(buffer, length) {
    if (buffer.latin1Slice(length - 5, length) === lastChunk) this.#finish();
  }

  #finish() {
    this.#left = -1;
    this.#chunked = false;
    if (this.#run.count(this.#status, performance.now() - this.#sent_ms)) this.send();
  }
}
