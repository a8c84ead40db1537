// Loaded into a server under test with --expose-gc: on demand it collects garbage and says what is left.
import { readdirSync } from 'node:fs';

process.on('message', async (message) => {
  if (message !== 'sample') return;
  // What the first round finalises, the second frees.
  for (let round = 0; round < 2; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  // The listing itself holds one descriptor open.
  const descriptors = readdirSync('/proc/self/fd').length - 1;
  const timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  process.send?.({ rss, heap: heapUsed, external, descriptors, timers });
});
// Listening to its parent must not keep it alive.
process.channel?.unref();
