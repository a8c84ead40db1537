import { toPointer } from '../../core/index.js';
import { isLoopbackLiteral, isPrivateHost } from '../host.js';
import type { Rule, RuleContext, ToolSource } from './rule.js';
import { inputsOf, objectOf, visitTexts } from './walk.js';

const methods: Readonly<Record<string, readonly string[]>> = {
  http: ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'],
  streamable_http: ['GET', 'POST'],
};

/** What the server itself puts into each call; the guide's request tracking header is written with it. */
const callVariable = 'request_id';

interface Address {
  readonly source: ToolSource;
  readonly text: string;
  readonly pointer: string;
  readonly url: URL | undefined;
}

/** The addresses that a tool's template sends requests to, an OAuth token's included. */
function addressesOf({ tools }: RuleContext): readonly Address[] {
  return tools.flatMap((source) => {
    const { template, template_pointer: pointer } = source;
    const places = [
      [template.url, `${pointer}/url`],
      [objectOf(template.auth).token_url, `${pointer}/auth/token_url`],
    ] as const;
    return places.flatMap(([text, at]) =>
      typeof text === 'string' ? [{ source, text, pointer: at, url: parse(text) }] : [],
    );
  });
}

// What a placeholder stands for is not known; a host that is one says nothing here.
function parse(text: string): URL | undefined {
  const filled = text.replace(/\$?\{[^}]*\}/g, 'x');
  return /^\w+:\/\/\$?\{/.test(text) || !URL.canParse(filled) ? undefined : new URL(filled);
}

export const urlRules: readonly Rule[] = [
  {
    id: 'plain-http',
    severity: 'error',
    why: 'Anyone on the way reads and changes what travels, credentials included; official clients refuse such a URL.',
    mend: 'Write https:// or wss://.',
    check: (context) => {
      for (const { url, pointer } of addressesOf(context)) {
        const isPlain = url?.protocol === 'http:' || url?.protocol === 'ws:';
        if (isPlain && !isLoopbackLiteral(url.hostname)) {
          context.report(pointer, `The URL speaks plain ${url.protocol.slice(0, -1)}.`);
        }
      }
    },
  },
  {
    id: 'private-host',
    severity: 'warning',
    why: 'A manual that sends calls to a private address reaches what its reader never meant to open (SSRF).',
    mend: 'Use a public host, or name the host under allow_private_hosts in the configuration.',
    check: (context) => {
      for (const { url, pointer } of addressesOf(context)) {
        if (url && url.hostname !== '' && isPrivateHost(url.hostname)) {
          context.report(pointer, `${url.hostname} is private, loopback or link-local.`);
        }
      }
    },
  },
  {
    id: 'tls-unverified',
    severity: 'error',
    why: 'Without verification anyone can answer in the upstream’s place and read the credential.',
    mend: 'Remove verify_ssl: false; for a private authority set tls.ca_file in the configuration.',
    check: ({ tools, report }) => {
      for (const { template, template_pointer: pointer } of tools) {
        if (template.verify_ssl === false) report(`${pointer}/verify_ssl`, 'TLS certificates are not verified.');
      }
    },
  },
  {
    id: 'http-method',
    severity: 'error',
    why: 'Official clients know the methods in upper case alone, and reject the whole manual for another.',
    mend: 'Write GET, POST, PUT, DELETE or PATCH (streamable_http: GET or POST).',
    check: ({ tools, report }) => {
      for (const { template, template_pointer, template_type: type } of tools) {
        const { http_method: method } = template;
        const known = methods[type];
        if (method === undefined || !known || known.includes(String(method))) continue;
        const pointer = `${template_pointer}/http_method`;
        const upper = String(method).toUpperCase();
        const message = `${JSON.stringify(method)} is no method of ${type}.`;
        report(pointer, message, known.includes(upper) ? { fix: { pointer, value: upper } } : {});
      }
    },
  },
  {
    id: 'path-parameter-repeated',
    severity: 'warning',
    why: 'Official clients fill in the first place of a parameter and then fail.',
    mend: 'Use another input for the second place, or expose the tool as routed.',
    check: ({ tools, report }) => {
      for (const { template, template_pointer: pointer } of tools) {
        const names = [...String(template.url ?? '').matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        const again = names.find((name, index) => names.indexOf(name) < index);
        if (again !== undefined) report(`${pointer}/url`, `{${again}} stands twice in the URL.`);
      }
    },
  },
  {
    id: 'placeholder-undeclared',
    severity: 'error',
    why: 'A placeholder without an input can never be filled in, and the manual does not load.',
    mend: 'Declare it under inputs.properties, or write ${NAME} for a variable.',
    check: ({ tools, report }) => {
      for (const source of tools) {
        const inputs = inputsOf(source);
        const url = String(source.template.url ?? '');
        for (const [, dollar, name] of url.matchAll(/(\$?)\{(\w+)\}/g)) {
          if (dollar === '' && name !== undefined && !Object.hasOwn(inputs, name)) {
            report(`${source.template_pointer}/url`, `{${name}} names no input of ${source.name}.`);
          }
        }
      }
    },
  },
  {
    id: 'stray-dollar',
    severity: 'error',
    why: 'Official clients read a dollar as the start of a variable, find none, and fail.',
    mend: 'Write %24 in a URL, ${NAME} for a variable, and no other dollar.',
    check: ({ tools, report }) => {
      for (const { template, template_pointer } of tools) {
        // UTCP 0.1 wrote $NAME, which the reader migrates.
        if (template_pointer.endsWith('/tool_provider')) continue;
        visitTexts(template, template_pointer, (text, pointer, name) => {
          if (!/\$(?!\{\w+\})\w/.test(text)) return;
          const value = text.replace(/\$(?!\{\w+\})/g, '%24');
          report(pointer, 'A dollar stands where no variable is.', name === 'url' ? { fix: { pointer, value } } : {});
        });
      }
    },
  },
  {
    id: 'variable-prefix',
    severity: 'warning',
    why: 'Only variables with an allowed prefix are ever read, so that a manual cannot ask for any secret of the machine.',
    mend: 'Name it with an allowed prefix, or add the prefix to variables.allowed_prefixes.',
    check: ({ tools, expose, allowed_prefixes: prefixes, report }) => {
      // The variables of a direct tool are its caller's own, whatever they are called.
      if (expose === 'direct') return;
      for (const source of tools) {
        const inputs = inputsOf(source);
        const variables = source.template_pointer.endsWith('/tool_provider') ? /\$\{?(\w+)/g : /\$\{(\w+)\}/g;
        visitTexts(source.template, source.template_pointer, (text, pointer) => {
          for (const [, name = ''] of text.matchAll(variables)) {
            const isOwn = Object.hasOwn(inputs, name) || name === callVariable;
            if (isOwn || prefixes.some((prefix) => name.startsWith(prefix))) continue;
            report(pointer, `The variable ${name} has none of the prefixes ${prefixes.join(', ')}.`);
          }
        });
      }
    },
  },
  {
    id: 'query-argument-type',
    severity: 'info',
    why: 'In a query official clients write lists in two ways, and Python sends no booleans, nulls or objects.',
    mend: 'Take such arguments in a body, or expose the tool as routed, where they travel as JSON.',
    check: ({ tools, expose, report }) => {
      if (expose === 'routed') return;
      for (const source of tools) {
        if (source.template_type !== 'http') continue;
        for (const name of queryArguments(source)) {
          const { type } = objectOf(inputsOf(source)[name]);
          if (type === 'string' || type === 'number' || type === 'integer') continue;
          report(
            `${source.pointer}/inputs/properties${toPointer(name)}`,
            `${name} stands in the query and is no plain text or number.`,
          );
        }
      }
    },
  },
];

function queryArguments(source: ToolSource): readonly string[] {
  const { template } = source;
  const placed = new Set<unknown>([
    template.body_field ?? (template.http_method === 'GET' ? undefined : 'body'),
    ...(Array.isArray(template.header_fields) ? template.header_fields : []),
    ...[...String(template.url ?? '').matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
  ]);
  return Object.keys(inputsOf(source)).filter((name) => !placed.has(name));
}
