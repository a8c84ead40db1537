import { setImmediate as immediate, setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { FastifyInstance } from 'fastify';
import type { Gate } from '../pipeline/index.js';

/** How long a connection that was just made may take to send its request when the server goes. */
const lastRequests_ms = 500;
/** How long calls that were cancelled have for their answers. */
const lastAnswers_ms = 500;

/** Closes the listener of an app, and serves what is on its way already. */
export async function stopListening({ server }: FastifyInstance, gate: Gate): Promise<void> {
  if (!server.listening) return;
  // Behind this turn's connections: one that is made and not yet taken is reset.
  await immediate();
  server.close();
  // A connection that came last has a request on its way, which is still served.
  const readConnections = promisify(server.getConnections.bind(server));
  const deadline = performance.now() + lastRequests_ms;
  while (performance.now() < deadline && (await readConnections()) > gate.active + gate.streams.size) await wait(10);
}

/** Lets what is in flight finish within so many milliseconds, and cancels what does not. */
export async function drainGate(gate: Gate, timeout_ms: number): Promise<void> {
  gate.leaving = true;
  gate.draining = true;
  for (const scope of gate.streams) scope.cancel('draining');
  await untilIdle(gate, timeout_ms);
  for (const scope of gate.calls) scope.cancel('draining');
  // What was just cancelled answers with 503 before its connection goes.
  await untilIdle(gate, lastAnswers_ms);
}

async function untilIdle(gate: Gate, timeout_ms: number): Promise<void> {
  const deadline = performance.now() + timeout_ms;
  while (gate.active > 0 && performance.now() < deadline) await wait(10);
}
