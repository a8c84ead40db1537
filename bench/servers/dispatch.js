/** The least that hands a call on: `node:http` before it, undici's `dispatch` behind it, and no control at all. */
import { createServer } from 'node:http';
import { Pool } from 'undici';

const { upstream } = JSON.parse(process.argv[2] ?? '{}');
const pool = new Pool(upstream, { connections: 128, headersTimeout: 0, bodyTimeout: 0 });
const headers = ['content-type', 'application/json'];

class Answer {
  #response;
  #chunks = [];
  #status = 0;

  constructor(response) {
    this.#response = response;
  }

  onRequestStart() {}

  onResponseStart(_controller, status) {
    this.#status = status;
  }

  onResponseData(_controller, chunk) {
    this.#chunks.push(chunk);
  }

  onResponseEnd() {
    const [body] = this.#chunks.length === 1 ? this.#chunks : [Buffer.concat(this.#chunks)];
    this.#response.writeHead(this.#status, [...headers, 'content-length', String(body.length)]);
    this.#response.end(body);
  }

  onResponseError() {
    this.#response.destroy();
  }
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    pool.dispatch({ path: '/search', method: 'POST', headers, body }, new Answer(response));
  });
});

for (const end of ['disconnect', 'SIGTERM']) process.once(end, () => process.exit());
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
