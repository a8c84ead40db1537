/** The ceiling: `node:http` that reads a request and writes bytes that it was given, and does nothing else. */
import { createServer } from 'node:http';

let answer = { status: 200, headers: [], body: Buffer.alloc(0) };

const server = createServer((request, response) => {
  if (request.method === 'GET') return reply(response);
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => reply(response));
});

function reply(response) {
  response.writeHead(answer.status, answer.headers);
  response.end(answer.body);
}

process.on('message', ({ id, status, headers, body }) => {
  answer = { status, headers, body: Buffer.from(body, 'base64') };
  process.send({ id });
});
for (const end of ['disconnect', 'SIGTERM']) process.once(end, () => process.exit());
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
