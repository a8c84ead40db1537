/** A request to an identity provider. */
export interface ProviderRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Milliseconds for the whole exchange. */
  readonly timeout_ms: number;
  /** Octets of the answer's body at most. */
  readonly max_bytes: number;
}

/**
 * Asks an identity provider and gives the parsed JSON of its 200 answer. Rejects for everything else: another status, a
 * redirect, a body that is too large or no JSON, a timeout, an address that the egress guard refuses. The server hands
 * one in that goes through the guard and the TLS policy, as every outbound request does.
 */
export type FetchJson = (request: ProviderRequest) => Promise<unknown>;

/**
 * Asks as `fetchJson` does, and gives undefined for every failure, also when `fetchJson` does not keep to the time it
 * was given. A provider's failure is no reason to fail otherwise than closed.
 */
export async function askProvider(fetchJson: FetchJson, request: ProviderRequest): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, request.timeout_ms, undefined);
    });
    return await Promise.race([fetchJson(request), late]);
  } catch {
    // Which failure it was is for the provider's operator; the caller learns `issuer_unavailable`.
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
