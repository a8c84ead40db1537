import { setImmediate } from 'node:timers/promises';
import {
  type AuthoredManual,
  type AuthoredTool,
  type Finding,
  isJsonObject,
  type JsonObject,
  LoadError,
} from '../../core/index.js';
import { parseDocument, type SourceDocument } from '../document.js';
import { Findings } from '../findings.js';
import { isLoopbackLiteral, isPrivateHost } from '../host.js';
import { utcpVersion } from '../publish.js';
import { type ConversionContext, convertOperation } from './conversion.js';
import { nameOperations } from './naming.js';
import type { OperationReport } from './notes.js';
import { dialectOf, listOperations, type Operation } from './operation.js';
import { type ReferenceIo, References } from './reference.js';
import { SecurityPlanner } from './security.js';
import { createSelector, type Selection } from './selection.js';
import { chooseServer, type ServerOptions } from './server.js';
import { objectOf, textOf } from './value.js';

export interface ImportOptions {
  /** The manual's name: variables are named after it (`API_<MANUAL>_KEY`). */
  readonly name: string;
  /** The document as the user named it, for findings. */
  readonly file: string;
  /** Where the document lies, so that it may refer to files beside it. */
  readonly path?: string | undefined;
  /** The URL that the document came from, for relative servers. */
  readonly source_url?: string | undefined;
  /** Replaces every server of the document. */
  readonly base_url?: string | undefined;
  readonly include?: Selection | undefined;
  readonly exclude?: Selection | undefined;
  /** The upstream's credential in the UTCP auth shape; then no tool gets an `auth` from the document. */
  readonly upstream_auth?: JsonObject | undefined;
  /** Hosts that are meant though private or spoken to in plain http: of these nothing is reported. */
  readonly allow_private_hosts?: readonly string[] | undefined;
  /** Reads files that the document refers to; without it a reference to another file is refused. */
  readonly io?: ReferenceIo | undefined;
  /** Told after every slice of operations, and at the end. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface ImportedOpenApi {
  readonly manual: AuthoredManual;
  /** What could not be carried, or only in another form. Never an error, which is thrown. */
  readonly findings: readonly Finding[];
  /** One report for each operation of the document, in its order: nothing is dropped in silence. */
  readonly operations: readonly OperationReport[];
  /** JSON pointers of the operations, by tool name. */
  readonly pointers: ReadonlyMap<string, string>;
  /** The texts of other files that the document refers to. */
  readonly attached: readonly string[];
}

/** Operations between two looks at the event loop: a large document must not hold up a server that reloads. */
const slice = 50;
const noFiles: ReferenceIo = {
  realPath: () => Promise.reject(new Error('no files are read')),
  readText: () => Promise.reject(new Error('no files are read')),
};

/**
 * Maps an OpenAPI document (2.0, 3.0 or 3.1; JSON or YAML) to a UTCP manual, one tool for each operation that can be
 * called through UTCP. Throws LoadError for a document that is none or that leads to no tool at all.
 */
export async function importOpenApi(text: string, options: ImportOptions): Promise<ImportedOpenApi> {
  return importOpenApiDocument(parseDocument(text, options.file), options);
}

/** `importOpenApi` for a document that has been read. */
export async function importOpenApiDocument(
  document: SourceDocument,
  options: ImportOptions,
): Promise<ImportedOpenApi> {
  const references = await References.open(document, options.path, options.io ?? noFiles);
  const findings = new Findings(document);
  const context = createContext(references, document, options, findings);
  const operations = listOperations(references);
  const names = nameOperations(operations);
  const isTaken = createSelector(options.include, options.exclude);
  const tools: AuthoredTool[] = [];
  const reports: OperationReport[] = [];
  const servers = new Map<string, Operation>();
  const pointers = new Map<string, string>();
  for (const [index, operation] of operations.entries()) {
    const converted = isTaken(operation) ? convertOperation(operation, names.get(operation) ?? '', context) : undefined;
    reports.push(converted?.report ?? excluded(operation));
    if (converted?.tool) {
      tools.push(converted.tool);
      pointers.set(converted.tool.name, operation.pointer);
      if (converted.server !== undefined && !servers.has(converted.server)) servers.set(converted.server, operation);
    }
    if ((index + 1) % slice === 0) {
      options.onProgress?.(index + 1, operations.length);
      await setImmediate();
    }
  }
  options.onProgress?.(operations.length, operations.length);
  const meant = options.allow_private_hosts ?? [];
  for (const [server, operation] of servers) {
    if (!meant.includes(new URL(server).hostname)) reportServer(server, operation, findings);
  }
  refuseEmpty(tools, reports, findings);
  const manual = { utcp_version: utcpVersion, manual_version: versionOf(references.root), tools };
  return { manual, findings: findings.list, operations: reports, pointers, attached: references.attached };
}

function createContext(
  references: References,
  document: SourceDocument,
  options: ImportOptions,
  findings: Findings,
): ConversionContext {
  const { root } = references;
  const dialect = dialectOf(root);
  if (!dialect) {
    throw LoadError.of({
      rule: 'openapi-version',
      file: document.file,
      pointer: root.swagger === undefined ? '/openapi' : '/swagger',
      line: document.lineOf(root.swagger === undefined ? '/openapi' : '/swagger'),
      message: 'The document is not OpenAPI 2.0, 3.0 or 3.1.',
      mend: 'State swagger: "2.0" or openapi: 3.0.x or 3.1.x.',
    });
  }
  const servers: ServerOptions = { root, dialect, base_url: options.base_url, source_url: options.source_url };
  const baseUrl = (operation: Operation) => {
    const choice = chooseServer(operation, servers);
    return 'url' in choice ? choice.url : undefined;
  };
  return {
    references,
    dialect,
    servers,
    security: new SecurityPlanner(references, options.name, baseUrl),
    upstream_auth: options.upstream_auth,
    findings,
  };
}

function excluded({ method, path, id, pointer }: Operation): OperationReport {
  return {
    method: method.toUpperCase(),
    path,
    operation_id: id,
    pointer,
    tool: undefined,
    status: 'excluded',
    problems: [],
  };
}

// GHSA-r8j5-8747-88cm: a document's server is not to be trusted. The URL guard refuses it; this says so beforehand.
function reportServer(server: string, operation: Operation, findings: Findings): void {
  const { hostname, protocol } = new URL(server);
  if (isPrivateHost(hostname)) {
    const message = `The server ${server} is private, loopback or link-local; calls to it are refused.`;
    const mend = `Name ${hostname} under allow_private_hosts if it is meant, or set base_url.`;
    findings.add('warning', 'openapi-server-private', operation.pointer, message, mend);
  } else if (protocol === 'http:' && !isLoopbackLiteral(hostname)) {
    const message = `The server ${server} speaks plain http: credentials and data travel in the clear.`;
    findings.add('warning', 'openapi-server-plain', operation.pointer, message, 'Set base_url to its https address.');
  }
}

function refuseEmpty(tools: readonly AuthoredTool[], reports: readonly OperationReport[], findings: Findings): void {
  if (tools.length > 0) return;
  const taken = reports.filter(({ status }) => status !== 'excluded');
  const [first] = taken;
  const message =
    reports.length === 0
      ? 'The document has no operation.'
      : first === undefined
        ? 'include and exclude leave no operation.'
        : `None of ${taken.length} operations can be carried; the first: ${first.problems.join('; ')}.`;
  findings.add('error', 'openapi-empty', '/paths', message, 'See the findings for each operation.');
  findings.refuseErrors();
}

function versionOf(root: JsonObject): string {
  const { version } = objectOf(root.info);
  return textOf(version) ?? (typeof version === 'number' ? String(version) : '1.0.0');
}

/** Says whether a document's value is an OpenAPI one. */
export function isOpenApi(value: unknown): boolean {
  return isJsonObject(value) && ('openapi' in value || 'swagger' in value);
}
