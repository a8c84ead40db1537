import type { PublicKey } from '../signing/index.js';
import { toPublicKey, verifyManual } from '../signing/index.js';
import { ToolError } from './errors.js';
import type { ServedManual } from './manual.js';
import type { PinStore, ProviderPins } from './pins.js';

/** One way in which a manual differs from what was accepted. */
export interface ManualChange {
  readonly kind: 'tool_changed' | 'tool_added' | 'key_changed' | 'signature_missing';
  /** The tool's name; absent for a change of the key. */
  readonly tool?: string;
}

/**
 * The manual is not what was accepted before (CVE-2025-14542). Nothing of it is used until `acceptChange(digest)` is
 * called with this `digest`, which names exactly the manual that was refused.
 */
export class ManualChangedError extends ToolError {
  override readonly name = 'ManualChangedError';

  constructor(
    readonly changes: readonly ManualChange[],
    /** The refused manual's digest. */
    readonly digest: string,
  ) {
    super(`Manual changed: ${describeChanges(changes)}. Review it, then accept ${digest}`, { code: 'manual_changed' });
  }
}

/** The signature does not hold: the manual was altered on its way, or its signer is not who the provider's keys say. */
export class ManualSignatureError extends ToolError {
  override readonly name = 'ManualSignatureError';
}

export interface GuardOptions {
  /** The manual's URL, without a query. */
  readonly provider: string;
  readonly store: PinStore;
  /** Keys that are trusted without having been seen before; the first use then needs no trust. */
  readonly provider_keys: readonly PublicKey[];
  /** What happens to a tool that was never seen: `pin` accepts it at first sight, `refuse` treats it as a change. */
  readonly new_tools: 'pin' | 'refuse';
  /** The digest of a changed manual that is accepted beforehand. */
  readonly accept?: string | undefined;
  /** The keys under the provider's `/.well-known/jwks.json`; asked only at first use and when the key has changed. */
  loadKeys(): Promise<readonly PublicKey[]>;
}

/** Compares each manual with what was accepted of its provider, and pins what is seen for the first time. */
export class ManualGuard {
  readonly #options: GuardOptions;
  #refused: { readonly digest: string; readonly pins: ProviderPins } | undefined;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** Throws ManualChangedError or ManualSignatureError; returns once the manual may be used. */
  async check(manual: ServedManual, signature: string | undefined): Promise<void> {
    const { store, provider, accept } = this.#options;
    const pinned = store.read(provider);
    const { key, changes: keyChanges } = await this.#checkKey(manual, signature, pinned);
    const changes = [...keyChanges, ...this.#compareTools(manual, pinned)];
    const tools = new Map(pinned?.tools);
    for (const tool of manual.tools) tools.set(tool.name, tool.digest);
    const pins: ProviderPins = { key: key?.jwk, tools };
    if (changes.length > 0 && manual.digest !== accept) {
      this.#refused = { digest: manual.digest, pins };
      throw new ManualChangedError(changes, manual.digest);
    }
    if (!pinned || changes.length > 0 || tools.size !== pinned.tools.size || (key && !pinned.key)) {
      store.write(provider, pins);
    }
  }

  /** Pins the manual that was refused last; throws ToolError when `digest` is not its digest. */
  accept(digest: string): void {
    if (this.#refused?.digest !== digest) {
      throw new ToolError('Nothing to accept: this is not the manual that was refused last', { code: 'not_refused' });
    }
    this.#options.store.write(this.#options.provider, this.#refused.pins);
    this.#refused = undefined;
  }

  async #checkKey(
    manual: ServedManual,
    signature: string | undefined,
    pinned: ProviderPins | undefined,
  ): Promise<{ key: PublicKey | undefined; changes: readonly ManualChange[] }> {
    const trusted = this.#trustedKeys(pinned);
    if (signature === undefined) {
      return { key: undefined, changes: trusted.length > 0 ? [{ kind: 'signature_missing' }] : [] };
    }
    const verdict = verifyManual(manual.document, signature, trusted);
    if (typeof verdict !== 'string') return { key: verdict, changes: [] };
    if (verdict !== 'unknown_key') throw broken();
    const published = verifyManual(manual.document, signature, await this.#options.loadKeys());
    if (typeof published === 'string') throw broken();
    return { key: published, changes: trusted.length > 0 ? [{ kind: 'key_changed' }] : [] };
  }

  #trustedKeys(pinned: ProviderPins | undefined): readonly PublicKey[] {
    if (!pinned?.key) return this.#options.provider_keys;
    const key = toPublicKey(pinned.key);
    if (!key) throw new ToolError('Pin file unusable: a pinned key is no key', { code: 'pin_file_unusable' });
    return [key];
  }

  #compareTools(manual: ServedManual, pinned: ProviderPins | undefined): readonly ManualChange[] {
    if (!pinned) return [];
    return manual.tools.flatMap((tool): readonly ManualChange[] => {
      const digest = pinned.tools.get(tool.name);
      if (digest === undefined) {
        return this.#options.new_tools === 'refuse' ? [{ kind: 'tool_added', tool: tool.name }] : [];
      }
      return digest === tool.digest ? [] : [{ kind: 'tool_changed', tool: tool.name }];
    });
  }
}

function broken(): ManualSignatureError {
  return new ManualSignatureError(
    "Manual signature invalid: it does not hold for this manual and the provider's keys",
    {
      code: 'signature_invalid',
    },
  );
}

const descriptions = {
  tool_changed: 'is not the tool that was accepted',
  tool_added: 'was never accepted',
  key_changed: 'it is signed with another key',
  signature_missing: 'it is not signed any more',
} as const satisfies Record<ManualChange['kind'], string>;

const maxDescribed = 10;

function describeChanges(changes: readonly ManualChange[]): string {
  const texts = changes.slice(0, maxDescribed).map(({ kind, tool }) => {
    // A name is the provider's text and this goes to terminals.
    return tool === undefined ? descriptions[kind] : `${tool.replace(/\p{C}/gu, ' ')} ${descriptions[kind]}`;
  });
  const rest = changes.length - texts.length;
  return rest > 0 ? `${texts.join(', ')} and ${rest} more` : texts.join(', ');
}
