/** First segments of this server's own routes, which a base path can't begin with: `/tools/…` would be two things. */
const ownSegments = ['utcp', 'tools', 'oauth', 'livez', 'readyz', '.well-known'];

const segment = /^[A-Za-z0-9._~-]+$/;

/** The path of a public URL, without a trailing slash; empty when it has none. */
export function basePathOf(public_url: string | undefined): string {
  return public_url === undefined ? '' : new URL(public_url).pathname.replace(/\/+$/, '');
}

/** Says why a URL can't be the public one; undefined when it can. */
export function findPublicUrlProblem(public_url: string): string | undefined {
  const { search, hash, username, password, pathname } = new URL(public_url);
  if (search || hash || username || password) return 'a URL of scheme, host and path alone';
  const [first = '', ...rest] = pathname.split('/').filter(Boolean);
  if (first === '') return undefined;
  if (![first, ...rest].every((part) => segment.test(part))) return 'a path of letters, digits and . _ ~ - alone';
  return ownSegments.includes(first) ? `a path that does not begin with /${first}, which is a route` : undefined;
}

/**
 * Takes the base path off a request's URL. Gateways send requests with the path or take it off; both are served. The
 * metadata of a URL with a path is also asked for at the host's root, with the path behind (RFC 8414 section 3.1, RFC
 * 9728 section 3.1).
 */
export function createUrlRewriter(base: string): (request: { readonly url?: string | undefined }) => string {
  const behind = /^(\/\.well-known\/oauth-(?:protected-resource|authorization-server))(\/[^?]*)(.*)$/;
  return ({ url = '/' }) => {
    if (url.startsWith(base)) {
      const rest = url.slice(base.length);
      if (rest === '' || rest.startsWith('?')) return `/${rest}`;
      if (rest.startsWith('/')) return rest;
    }
    const [, document, path, query] = behind.exec(url) ?? [];
    if (document === undefined || path === undefined || !path.startsWith(base)) return url;
    const rest = path.slice(base.length);
    return rest === '' || rest.startsWith('/') ? `${document}${rest}${query}` : url;
  };
}
