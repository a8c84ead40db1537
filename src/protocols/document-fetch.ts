import { GatehouseError, LoadError } from '../core/index.js';
import { checkUrlAtLoad, EgressPolicy } from './egress.js';
import { createGuardedFetch } from './egress-connection.js';
import { describeFault } from './http-fault.js';
import type { OutboundTlsSettings } from './protocol.js';
import { createTlsProfile } from './tls.js';

/** How a document is fetched, and how much of it. */
export interface DocumentFetch {
  /** Hosts that may be private, loopback or plain http. */
  readonly allow_private_hosts: readonly string[];
  readonly tls: OutboundTlsSettings;
  /** Folder that the files of `tls` resolve against. */
  readonly base_dir: string;
  /** Whole milliseconds for the request and all of its answer. */
  readonly timeout_ms: number;
  /** Bytes that the document may have, once decompressed. */
  readonly max_bytes: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Fetches a manual or an OpenAPI document by GET, behind the URL guard and the TLS policy of every outbound request. No
 * redirect is followed: where it leads was not what the user named. Throws LoadError that says what to mend.
 */
export async function fetchDocument(url: string, options: DocumentFetch): Promise<Buffer> {
  const policy = new EgressPolicy(options.allow_private_hosts);
  const target = checkUrlAtLoad(url, policy, { file: url, pointer: '' });
  const guarded = createGuardedFetch({ policy, tls: createTlsProfile(options.tls, options.base_dir) });
  const signal = AbortSignal.timeout(options.timeout_ms);
  try {
    const response = await guarded.fetch(target, {
      headers: { accept: 'application/json, application/yaml;q=0.9, */*;q=0.5', ...options.headers },
      signal,
    });
    if (response.status !== 200) throw unreachable(url, `It answers ${response.status}`, mendStatus(response.status));
    return await readBody(response, url, options.max_bytes);
  } catch (error) {
    if (error instanceof LoadError) throw error;
    if (signal.aborted) {
      throw unreachable(url, `It does not arrive within ${options.timeout_ms} ms`, 'Try again, or allow more time.');
    }
    throw describeFailure(url, error);
  } finally {
    await guarded.close();
  }
}

async function readBody(response: Response, url: string, max_bytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > max_bytes) {
      throw unreachable(
        url,
        `It is larger than ${max_bytes} bytes`,
        'Save it to a file and take out what is not needed.',
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function mendStatus(status: number): string {
  return status === 401 || status === 403
    ? 'Give the credential that it asks for, or save the document to a file.'
    : 'Check the address.';
}

// fetch wraps what happened in a TypeError; what happened is its cause, and undici's own words may hold addresses.
function describeFailure(url: string, error: unknown): LoadError {
  const cause = error instanceof TypeError && error.cause !== undefined ? error.cause : error;
  if (cause instanceof Error && cause.message === 'unexpected redirect') {
    return unreachable(url, 'It redirects, which is not followed', 'Name the address that it leads to.');
  }
  const fault = cause instanceof GatehouseError ? cause : describeFault(cause);
  const refused = fault.reason.startsWith('address_');
  const mend = refused ? 'Name the host in allow_private_hosts if it is meant.' : 'Check the address and the network.';
  return unreachable(url, `It cannot be fetched (${fault.reason})`, mend);
}

function unreachable(file: string, message: string, mend: string): LoadError {
  return LoadError.of({ rule: 'document-unreadable', file, pointer: '', message: `${message}.`, mend });
}
