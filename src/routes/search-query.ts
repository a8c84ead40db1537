import { GatehouseError, type InputError, toPointer } from '../core/index.js';
import type { SearchQuery } from '../manual/index.js';

const maxTextLength = 200;
const maxLimit = 1000;
/** How many tools a search by words gives where the query sets no limit. */
const defaultLimit = 10;

const known = ['q', 'tag', 'limit'];

/**
 * Reads the query of a manual's URL. Strict: a misspelt `limt` that was passed over would be answered with everything.
 * Throws GatehouseError `invalid_input` that names every parameter that does not fit, and what would.
 */
export function parseSearch(query: string): SearchQuery {
  const parameters = new URLSearchParams(query);
  const errors: InputError[] = [...new Set(parameters.keys())].flatMap((name) => checkName(name, parameters));
  const text = readText('q', parameters, errors);
  const tag = readText('tag', parameters, errors);
  const limit = readLimit(parameters, errors);
  const [first] = errors;
  if (first) throw new GatehouseError('invalid_input', { detail: `${first.pointer} ${first.message}.`, errors });
  return { text, tag, limit: limit ?? (text === undefined ? undefined : defaultLimit) };
}

function checkName(name: string, parameters: URLSearchParams): readonly InputError[] {
  const pointer = toPointer(name.slice(0, 100));
  if (!known.includes(name)) return [{ pointer, message: `is no parameter here; use ${known.join(', ')}` }];
  return parameters.getAll(name).length > 1 ? [{ pointer, message: 'is given more than once' }] : [];
}

function readText(name: string, parameters: URLSearchParams, errors: InputError[]): string | undefined {
  const text = parameters.get(name)?.trim();
  if (text === undefined) return undefined;
  if (text === '' || text.length > maxTextLength) {
    const message = `must have 1 to ${maxTextLength} characters; leave it out to see all`;
    errors.push({ pointer: toPointer(name), message });
  }
  return text;
}

function readLimit(parameters: URLSearchParams, errors: InputError[]): number | undefined {
  const text = parameters.get('limit');
  if (text === null) return undefined;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > maxLimit) {
    errors.push({ pointer: '/limit', message: `must be a whole number from 1 to ${maxLimit}` });
  }
  return limit;
}
