import { type Finding, LoadError, toPointer } from '../core/index.js';
import {
  type ConfiguredManual,
  documentLimits,
  fileIo,
  type LoadedManual,
  loadManual,
  type ManualEntry,
  type ManualIo,
  packManual,
} from '../manual/index.js';
import { fetchDocument, listMcpManual } from '../protocols/index.js';
import type { VariableSource } from '../variables/index.js';
import { digest } from './digest.js';
import type { GatehouseConfig } from './schema.js';

interface ManualParts {
  readonly config: GatehouseConfig;
  readonly base_dir: string;
  readonly file: string;
  readonly variables: VariableSource;
  /** Takes warnings and remarks. */
  readonly notices: Finding[];
}

/** Tools that are kept as objects, which are quicker to load; of the manuals beyond, each tool is packed. */
const unpackedTools = 2000;

/** Reads every manual that a configuration names. Throws LoadError with the findings of all of them. */
export async function loadManuals(parts: ManualParts): Promise<ConfiguredManual[]> {
  const { config, base_dir, notices } = parts;
  const findings: Finding[] = [];
  const loaded: ConfiguredManual[] = [];
  let tools = 0;
  for (const [position, entry] of config.manuals.entries()) {
    try {
      const read =
        entry.source === 'mcp'
          ? await loadMcp(entry, position, parts)
          : await loadManual(entry, base_dir, sourceIo(entry, base_dir));
      // A copy has its line and lets go of the document, which would be looked up otherwise.
      for (const notice of read.notices) notices.push({ ...notice });
      tools += read.manual.tools.length;
      // Before the next is read, so that the objects of one manual at most are there at a time.
      const manual = tools > unpackedTools ? packManual(read.manual) : read.manual;
      loaded.push({ ...read, manual, entry });
    } catch (error) {
      if (!(error instanceof LoadError)) throw error;
      findings.push(...error.findings);
    }
  }
  if (findings.length > 0) throw new LoadError(findings);
  return loaded;
}

// A source that is a URL passes the guard like every upstream: the hosts and authorities that the entry names.
function sourceIo({ allow_private_hosts, tls, timeout_ms }: ManualEntry, base_dir: string): ManualIo {
  const limits = { base_dir, timeout_ms, max_bytes: documentLimits.max_length };
  return { ...fileIo, readUrl: (url) => fetchDocument(url, { allow_private_hosts, tls, ...limits }) };
}

/** A manual whose tools are what an MCP server lists: it has no document, so its findings point into the configuration. */
async function loadMcp(entry: ManualEntry, position: number, parts: ManualParts): Promise<LoadedManual> {
  const pointer = toPointer('manuals', position, 'mcp');
  const manual = await listMcpManual(entry.mcp ?? {}, {
    manual: entry.name,
    mcp: parts.config.mcp,
    file: parts.file,
    pointer,
    base_dir: parts.base_dir,
    variables: parts.variables,
    timeout_ms: entry.timeout_ms,
    settings: entry,
    notice: (finding) => parts.notices.push(finding),
  });
  return {
    manual,
    notices: [],
    kind: 'utcp',
    digest: digest(manual),
    file: parts.file,
    base_dir: parts.base_dir,
    pointers: new Map(manual.tools.map(({ name }) => [name, pointer])),
    lineOf: () => undefined,
  };
}
