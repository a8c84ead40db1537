/**
 * Gatehouse from a configuration file, every control on, as `gatehouse serve` runs it, with one tool of this program.
 * `without` names stages to take out: what is then saved is what they cost (stages.js).
 */
import { buildServer, defineTool, loadConfig } from '../../dist/index.js';
import { callAnswer } from '../fixture.js';
import { removeStage } from '../stages.js';
import { zodInputs } from '../zod-inputs.js';

const { config, without = [], local = false } = JSON.parse(process.argv[2] ?? '{}');
const search = defineTool({
  manual: 'local',
  name: 'search',
  description: 'Searches the shelves of this process.',
  inputs: zodInputs,
  handler: () => callAnswer,
});
const server = await buildServer(await loadConfig(config, { tools: local ? [search] : [] }));
await server.listen();
for (const stage of without) removeStage(server, stage);

process.on('message', ({ id, read }) => {
  globalThis.gc?.();
  const cached_bytes = server.gate.generation.publisher.cached_bytes;
  process.send({ id, result: read === 'memory' ? process.memoryUsage() : cached_bytes });
});
for (const end of ['disconnect', 'SIGTERM']) process.once(end, () => process.exit());
process.send({ port: server.app.server.address().port });
