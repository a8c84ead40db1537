import type { LoadedConfig } from '../config/index.js';
import { createEventSink, type EventSink } from '../events/index.js';
import { openState, type State } from '../limits/index.js';
import { CountingSink } from './counting-sink.js';
import { describeState } from './health-event.js';
import type { TraceExport } from './tracing.js';

/** What is opened ahead of the server and ends with it. */
export interface Ground {
  readonly sink: CountingSink;
  readonly state: State;
  readonly traces: TraceExport | undefined;
}

/** Opens the ground of a server; what is handed in is taken as it is. Throws LoadError. */
export async function openGround(
  loaded: LoadedConfig,
  given: { readonly sink?: EventSink; readonly state?: State },
  report: (line: string) => void,
): Promise<Ground> {
  const traces = await openTraces(loaded, report);
  const sink = new CountingSink(given.sink ?? openSink(loaded, report));
  try {
    return { sink, state: given.state ?? (await openSharedState(loaded, sink, report)), traces };
  } catch (error) {
    await sink.close();
    await traces?.close();
    throw error;
  }
}

/** Where lines for the operator go unless told. */
export function reportToStandardError(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function openTraces(loaded: LoadedConfig, report: (line: string) => void): Promise<TraceExport | undefined> {
  const { tracing } = loaded.config;
  if (!tracing) return undefined;
  const { openTracing } = await import('./tracing.js');
  return openTracing({ config: tracing, readVariable: (name) => loaded.variables.load(name), report });
}

/** What the configuration says is shared: on Redis, or in this process's memory. */
export function openSharedState(loaded: LoadedConfig, sink: EventSink, report: (line: string) => void): Promise<State> {
  const { state } = loaded.config;
  const redis_url =
    state.redis_url_variable === undefined ? undefined : loaded.variables.load(state.redis_url_variable);
  return openState({
    config: state,
    redis_url,
    report,
    ...(state.blocks_dir !== undefined && { blocks_dir: state.blocks_dir }),
    onChange: (status, reason) => sink.emit(describeState(status, reason)),
  });
}

/** The configured security log. */
export function openSink(loaded: LoadedConfig, report: (line: string) => void): EventSink {
  const { variables } = loaded;
  const readVariable = (name: string) => (variables.has(name) ? variables.load(name) : undefined);
  return createEventSink({ config: loaded.config.security_log, readVariable, report });
}
