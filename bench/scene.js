/** The servers that are measured on the same work, and what each of them is asked. */
import { readFileSync } from 'node:fs';
import { capture } from './capture.js';
import { Child, startServer } from './children.js';
import {
  callAnswer,
  callArguments,
  callerKey,
  jwtSecret,
  makeCallers,
  makeManual,
  makeToken,
  renderRequest,
  toolName,
} from './fixture.js';
import { writeConfig } from './folder.js';
import { cores, hasNginx, python } from './machine.js';
import { findPort, renderGateway, renderUpstream } from './nginx.js';

export const callers = 10_000;
const body = JSON.stringify(callArguments);
const routedBody = JSON.stringify({ body: callArguments });

export const manualRequest = (token, headers) => renderRequest({ path: '/utcp', token, headers });
export const callRequest = (token) => renderRequest({ method: 'POST', path: '/tools/local/search', token, body });
export const routedRequest = (token, index = 0) =>
  renderRequest({ method: 'POST', path: `/tools/shelf0/${toolName(index)}`, token, body: routedBody });

/** Starts Gatehouse with 64 routed tools, one local one and 10,000 callers. */
export async function startGatehouse(folder, upstreamPort, options = {}) {
  const config = writeConfig(folder, options.name ?? 'gatehouse', {
    manuals: [makeManual(64, `http://127.0.0.1:${upstreamPort}`)],
    callers: makeCallers(callers),
  });
  return startServer('gatehouse', { config, local: true, ...options });
}

/** Something that answers calls at once, beside the load. */
export async function startUpstream(folder) {
  if (!hasNginx) {
    const upstream = await startServer('raw', {}, cores.load);
    const headers = ['content-type', 'application/json'];
    await upstream.ask({ status: 200, headers, body: Buffer.from(JSON.stringify(callAnswer)).toString('base64') });
    return upstream;
  }
  const port = await findPort();
  const config = folder.write('upstream.conf', renderUpstream(folder, port, callAnswer));
  const upstream = new Child('nginx', ['-p', folder.path, '-c', config], { core: cores.load });
  await upstream.listening(port);
  return upstream;
}

export async function startGateway(folder, upstreamPort) {
  const port = await findPort();
  const config = folder.write('gateway.conf', renderGateway(folder, port, upstreamPort));
  const gateway = new Child('nginx', ['-p', folder.path, '-c', config], { core: cores.server });
  await gateway.listening(port);
  return gateway;
}

export async function startGuide(manual) {
  if (!python) return undefined;
  const port = await findPort();
  const options = JSON.stringify({ manual, port, token: callerKey(0), answer: callAnswer });
  const guide = new Child(python, [`${import.meta.dirname}/servers/guide.py`, options], { core: cores.server });
  await guide.listening(port);
  return guide;
}

export const naiveToken = makeToken({ sub: 'caller-0', roles: ['books'] });

export function startNaive(folder, manual) {
  return startServer('naive', { manual, secret: jwtSecret, log: `${folder.path}/naive.log` });
}

/** Opens a session of an MCP server; gives what makes its requests. */
export async function openMcpSession(server) {
  const headers = { Accept: 'application/json, text/event-stream' };
  const post = (message, more = {}) =>
    renderRequest({ method: 'POST', path: '/mcp', headers: { ...headers, ...more }, body: JSON.stringify(message) });
  const initialize = {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } },
  };
  const opened = await capture(server.port, post(initialize));
  const session = opened.headers[opened.headers.findIndex((name) => name.toLowerCase() === 'mcp-session-id') + 1];
  const own = { 'Mcp-Session-Id': session, 'Mcp-Protocol-Version': '2025-11-25' };
  await capture(server.port, post({ jsonrpc: '2.0', method: 'notifications/initialized' }, own));
  return (method, params) => post({ jsonrpc: '2.0', id: 1, method, params }, own);
}

/** The entity tag that a server gives its manual. */
export async function readEtag(server, request) {
  const { headers } = await capture(server.port, request);
  return headers[headers.findIndex((name) => name.toLowerCase() === 'etag') + 1];
}

/** The time from a command's start to the line that says it is ready, in milliseconds. */
export async function timeStart(config) {
  const main = `${import.meta.dirname}/../dist/cli/main.js`;
  const start = performance.now();
  const server = new Child(process.execPath, [main, 'serve', '--config', config], { core: cores.server });
  await server.saying('server.ready');
  const elapsed_ms = performance.now() - start;
  await server.stop();
  return elapsed_ms;
}

export const sizeOf = (path) => readFileSync(path).length;
