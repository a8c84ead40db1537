/**
 * Gatehouse from a configuration file, every control on, as `gatehouse serve` runs it. `without` names stages to take
 * out: what is then saved is what they cost (bench/stages.js).
 */
import { buildServer, loadConfig } from '../../dist/index.js';
import { removeStage } from '../stages.js';

const { config, without = [] } = JSON.parse(process.argv[2] ?? '{}');
const server = await buildServer(await loadConfig(config));
await server.listen();
for (const stage of without) removeStage(server, stage);

process.on('message', ({ id, read }) => {
  if (read === 'cache') process.send({ id, result: server.gate.generation.publisher.cached_bytes });
  if (read === 'memory') {
    globalThis.gc?.();
    process.send({ id, result: process.memoryUsage() });
  }
});
for (const end of ['disconnect', 'SIGTERM']) process.once(end, () => process.exit());
process.send({ port: server.app.server.address().port });
