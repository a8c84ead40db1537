import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Tools of a catalog whose load leaves enough behind that it is worth stopping for. */
const manyTools = 2000;
/** The first empties pages, the next ones move what is left together and give the pages back. */
const rounds = 3;

/** Milliseconds between the rounds where requests are served meanwhile. */
const pause_ms = 1000;

let collect: (() => void) | undefined;

/**
 * Gives back what the load of a large catalog needed: V8 would keep it as room to grow into, and after a load nothing
 * grows. Takes a few tenths of a second, in which nothing else is done; for a start, which has just taken seconds.
 */
export function collectAfterStart(tools: number): void {
  if (tools <= manyTools) return;
  const run = requireCollector();
  for (let round = 0; round < rounds; round++) run();
}

/** The same after a reload, a round now and then: no request waits for more than one. Gives what stops it. */
export function collectAfterReload(tools: number): () => void {
  if (tools <= manyTools) return () => undefined;
  let round = 0;
  const timer = setInterval(() => {
    requireCollector()();
    if (++round === rounds) clearInterval(timer);
  }, pause_ms).unref();
  return () => clearInterval(timer);
}

// Node has no function for it; the flag puts one into contexts that are made after it is set, and into no other.
function requireCollector(): () => void {
  if (collect) return collect;
  setFlagsFromString('--expose-gc');
  const exposed: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  collect = typeof exposed === 'function' ? () => void exposed() : () => undefined;
  return collect;
}
