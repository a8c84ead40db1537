import { readFileSync } from 'node:fs';
import type { LoadedConfig } from '../config/index.js';
import { codeOf, type JsonObject, LoadError } from '../core/index.js';
import { utcpVersion, type ViewContent } from '../manual/index.js';
import { canonicalizeJson, manualSignatureHeader, readSigningKey, signCanonicalManual } from '../signing/index.js';

/** What served manuals are signed with. */
export interface ManualSigning {
  /** The public keys, for `/.well-known/jwks.json`; empty when nothing is signed. */
  readonly keys: readonly JsonObject[];
  /** The header over a view; called once a view. Absent when nothing is signed. */
  readonly describe?: (content: ViewContent) => Readonly<Record<string, string>>;
}

/** Reads `signing.key_file`. Throws LoadError that names the file, never what stands in it. */
export function createManualSigning({ config, file, lineOf }: LoadedConfig): ManualSigning {
  const { key_file } = config.signing;
  if (key_file === undefined) return { keys: [] };
  const place = { file, pointer: '/signing/key_file', line: lineOf('/signing/key_file') ?? 1 };
  const key = readSigningKey(readKey(key_file, place), key_file);
  const canonicalize = createCanonicalizer();
  return {
    keys: [key.publicKey.jwk],
    describe: (content) => ({ [manualSignatureHeader]: signCanonicalManual(canonicalize(content), key) }),
  };
}

/**
 * The canonical form (RFC 8785) of views of one catalog. That of a tool is found once for each auth form: it is most of
 * the work, and the same in every view and search that has the tool.
 */
function createCanonicalizer(): (content: ViewContent) => Buffer {
  const known: Record<ViewContent['form'], string[]> = { bearer: [], oauth: [] };
  return ({ tools, form, manual_version, textOf }) => {
    const texts = tools.map((tool) => {
      known[form][tool.index] ??= canonicalizeJson(JSON.parse(`[${textOf(tool)}]`))
        .toString('utf8')
        .slice(1, -1);
      return known[form][tool.index];
    });
    const head = canonicalizeJson({ manual_version, utcp_version: utcpVersion }).toString('utf8');
    // Members are sorted by name, and `tools` comes between the two others.
    return Buffer.from(head.replace(',"utcp_version":', () => `,"tools":[${texts.join(',')}],"utcp_version":`));
  };
}

// Without its key a server would serve unsigned, which every client that has pinned the key refuses.
function readKey(key_file: string, place: { readonly file: string; readonly pointer: string; readonly line: number }) {
  try {
    return readFileSync(key_file);
  } catch (error) {
    const code = codeOf(error);
    throw LoadError.of({
      rule: 'signing-key-unreadable',
      ...place,
      message: `The signing key ${key_file} cannot be read${code === undefined ? '' : ` (${code})`}.`,
      mend: 'Make one that this user may read: openssl genpkey -algorithm ed25519 -out manual-key.pem.',
    });
  }
}
