import { isJsonObject, type JsonObject } from '../../core/index.js';
import type { Operation } from './operation.js';
import type { References } from './reference.js';
import { listOf, objectOf, textOf } from './value.js';

/** How a tool proves itself to the upstream, read from the document's security requirements. */
export interface SecurityPlan {
  /** A UTCP `auth` with `${VARIABLE}` in place of each secret; undefined when a call needs none. */
  readonly auth: JsonObject | undefined;
  /** Further keys that travel in headers, since UTCP's `auth` holds one. */
  readonly headers: Readonly<Record<string, string>>;
  /** The scopes that the requirement names. */
  readonly scopes: readonly string[];
  /** Why no requirement of the operation can be met; then there is no `auth`. */
  readonly problem: string | undefined;
}

type Scheme = JsonObject & { readonly name_in_document: string };

const nothing: SecurityPlan = { auth: undefined, headers: {}, scopes: [], problem: undefined };

/** Names the variables of one document's secrets; one planner serves all operations. */
export class SecurityPlanner {
  readonly #schemes: JsonObject;
  readonly #stem: string;
  /** How many schemes hold a secret of each kind: where there is one, its variable needs no further name. */
  readonly #kinds = new Map<string, number>();

  /** `manual`: the manual's name, which the variables' names start with (`API_<MANUAL>_KEY`). */
  constructor(
    readonly references: References,
    manual: string,
    readonly baseUrl: (operation: Operation) => string | undefined,
  ) {
    const { root } = references;
    this.#schemes = objectOf(objectOf(root.components).securitySchemes ?? root.securityDefinitions);
    this.#stem = `API_${toVariable(manual)}`;
    for (const entry of Object.values(this.#schemes)) {
      const kind = kindOf(references.follow(entry) ?? {});
      this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
    }
  }

  /**
   * The first requirement that UTCP can carry. A requirement of nothing (`{}`) among the alternatives makes the
   * operation public, and then it gets no credential.
   */
  plan(operation: Operation): SecurityPlan {
    const requirements = listOf(operation.value.security ?? this.references.root.security).filter(isJsonObject);
    if (requirements.length === 0 || requirements.some((requirement) => Object.keys(requirement).length === 0)) {
      return nothing;
    }
    const problems: string[] = [];
    for (const requirement of requirements) {
      const plan = this.#planAll(requirement, operation);
      if (plan.problem === undefined) return plan;
      problems.push(plan.problem);
    }
    return { ...nothing, scopes: scopesOf(requirements[0] ?? {}), problem: problems.join('; ') };
  }

  #planAll(requirement: JsonObject, operation: Operation): SecurityPlan {
    const headers: Record<string, string> = {};
    let auth: JsonObject | undefined;
    for (const [name, scopes] of Object.entries(requirement)) {
      const source = this.references.follow(this.#schemes[name]);
      if (!source) return { ...nothing, problem: `security scheme ${name} is not declared` };
      const scheme: Scheme = { ...source, name_in_document: name };
      if (auth !== undefined && scheme.type === 'apiKey' && scheme.in === 'header') {
        headers[textOf(scheme.name) ?? 'X-Api-Key'] = this.#variable(scheme, 'KEY');
        continue;
      }
      const own = auth === undefined ? this.#authOf(scheme, listOf(scopes).map(String), operation) : undefined;
      if (!own) return { ...nothing, problem: `security scheme ${name} has no form in UTCP` };
      auth = own;
    }
    return { auth, headers, scopes: scopesOf(requirement), problem: undefined };
  }

  #authOf(scheme: Scheme, scopes: readonly string[], operation: Operation): JsonObject | undefined {
    switch (kindOf(scheme)) {
      case 'KEY':
        return this.#apiKey(textOf(scheme.name) ?? 'X-Api-Key', textOf(scheme.in) ?? 'header', scheme);
      case 'PASSWORD':
        return {
          auth_type: 'basic',
          username: this.#variable(scheme, 'USERNAME'),
          password: this.#variable(scheme, 'PASSWORD'),
        };
      case 'TOKEN':
        return {
          auth_type: 'api_key',
          api_key: `Bearer ${this.#variable(scheme, 'TOKEN')}`,
          var_name: 'Authorization',
          location: 'header',
        };
      case 'CLIENT_SECRET':
        return this.#oauth2(scheme, scopes, operation);
      default:
        return undefined;
    }
  }

  #apiKey(name: string, location: string, scheme: Scheme): JsonObject {
    return { auth_type: 'api_key', api_key: this.#variable(scheme, 'KEY'), var_name: name, location };
  }

  #oauth2(scheme: Scheme, scopes: readonly string[], operation: Operation): JsonObject | undefined {
    const url = textOf(clientCredentialsOf(scheme)?.tokenUrl);
    const base = this.baseUrl(operation);
    if (url === undefined || !URL.canParse(url, base)) return undefined;
    return {
      auth_type: 'oauth2',
      token_url: new URL(url, base).href,
      client_id: this.#variable(scheme, 'CLIENT_ID'),
      client_secret: this.#variable(scheme, 'CLIENT_SECRET'),
      ...(scopes.length > 0 ? { scope: scopes.join(' ') } : {}),
    };
  }

  #variable(scheme: Scheme, secret: string): string {
    const isAlone = (this.#kinds.get(kindOf(scheme)) ?? 0) < 2;
    const name = isAlone ? '' : toVariable(scheme.name_in_document);
    const words = name.endsWith(secret) ? [this.#stem, name] : [this.#stem, ...(name ? [name] : []), secret];
    return `\${${words.join('_')}}`;
  }
}

/** The secret that a scheme needs, which names its variable; empty for a scheme without a form in UTCP. */
function kindOf(scheme: JsonObject): 'KEY' | 'PASSWORD' | 'TOKEN' | 'CLIENT_SECRET' | '' {
  const http = (textOf(scheme.scheme) ?? '').toLowerCase();
  switch (scheme.type) {
    case 'apiKey':
      return 'KEY';
    case 'basic':
      return 'PASSWORD';
    case 'http':
      return http === 'basic' ? 'PASSWORD' : http === 'bearer' ? 'TOKEN' : '';
    case 'oauth2':
      // Other flows need a person; the token that they end in is a bearer token (RFC 6750).
      return clientCredentialsOf(scheme) ? 'CLIENT_SECRET' : 'TOKEN';
    case 'openIdConnect':
      return 'TOKEN';
    default:
      return '';
  }
}

function clientCredentialsOf(scheme: JsonObject): JsonObject | undefined {
  // OpenAPI 2 calls the flow `application` and writes its URL beside it.
  if (scheme.flow === 'application') return scheme;
  const flow = objectOf(scheme.flows).clientCredentials;
  return isJsonObject(flow) ? flow : undefined;
}

function scopesOf(requirement: JsonObject): readonly string[] {
  const scopes = Object.values(requirement).flatMap((list) => listOf(list).map(String));
  return [...new Set(scopes)].sort();
}

function toVariable(text: string): string {
  return text.replace(/[^A-Za-z0-9]+/g, '_').toUpperCase();
}
