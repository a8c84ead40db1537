/**
 * The official MCP SDK's server: streamable HTTP with JSON replies and the same tools, without a control. A server and a
 * transport for each request, as its page for servers without sessions has it, or one session for all.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node';
import { McpServer } from '@modelcontextprotocol/server';
import { callAnswer, toolName } from '../fixture.js';
import { zodInputs } from '../zod-inputs.js';

const { tools = 64 } = JSON.parse(process.argv[2] ?? '{}');

async function connect() {
  const server = new McpServer({ name: 'bench', version: '1.0.0' });
  for (let index = 0; index < tools; index++) {
    server.registerTool(
      toolName(index),
      { description: `Searches shelf ${index} and lists what is found.`, inputSchema: zodInputs },
      () => ({ content: [{ type: 'text', text: JSON.stringify(callAnswer) }] }),
    );
  }
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    enableJsonResponse: true,
  });
  await server.connect(transport);
  return transport;
}

const transport = await connect();
const server = createServer((request, response) => void transport.handleRequest(request, response));
for (const end of ['disconnect', 'SIGTERM']) process.once(end, () => process.exit());
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
