import { describe, expect, it } from 'vitest';
import { findWrapper, fitArguments } from '../../src/client/arguments.js';
import { InvalidInputError } from '../../src/client/errors.js';
import { parseManual } from '../../src/client/manual.js';
import type { Arguments, JsonSchema } from '../../src/core/index.js';
import { wrapInputs } from '../../src/manual/form.js';
import { createSanitizer, createSchemaCompiler } from '../../src/schema/index.js';
import { makeManual } from '../support/manual-server.js';

const schemas = createSchemaCompiler();
const post = { call_template_type: 'http', http_method: 'POST', url: 'https://example.com/x', body_field: 'body' };

function fit(inputs: JsonSchema, args: Arguments, template: object = post) {
  const [tool] = parseManual(JSON.stringify(makeManual([{ name: 'a', inputs, tool_call_template: template }]))).tools;
  if (!tool) throw new Error('no tool');
  return fitArguments(args, findWrapper(tool), {
    validate: schemas.compile(tool.inputs),
    sanitize: createSanitizer(tool.inputs),
  });
}

const book: JsonSchema = {
  type: 'object',
  properties: { title: { type: 'string' } },
  required: ['title'],
  additionalProperties: false,
};

describe('arguments of a wrapped tool', () => {
  it('go in naturally or wrapped', () => {
    expect(fit(wrapInputs(book), { title: 'x' })).toEqual({ body: { title: 'x' } });
    expect(fit(wrapInputs(book), { body: { title: 'x' } })).toEqual({ body: { title: 'x' } });
  });

  it('are told of by pointers into what was given', () => {
    const problems = (args: Arguments) => {
      try {
        fit(wrapInputs(book), args);
        return undefined;
      } catch (error) {
        return error instanceof InvalidInputError ? error.errors.map(({ pointer }) => pointer) : error;
      }
    };
    expect(problems({ title: 1 })).toEqual(['/title']);
    expect(problems({})).toEqual(['/title']);
    expect(problems({ body: { title: 1 } })).toEqual(['/body/title']);
  });

  it('a natural argument that is itself called body is not taken for the wrapper unless it fits as one', () => {
    const mail: JsonSchema = {
      type: 'object',
      properties: { body: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } },
      required: ['body'],
    };
    expect(fit(wrapInputs(mail), { body: { n: 1 } })).toEqual({ body: { body: { n: 1 } } });
    expect(fit(wrapInputs(mail), { body: { body: { n: 1 } } })).toEqual({ body: { body: { n: 1 } } });
  });

  it('an empty call of a tool without required arguments is wrapped', () => {
    expect(fit(wrapInputs({ type: 'object', properties: {} }), {})).toEqual({ body: {} });
  });
});

describe('arguments of a tool that is not wrapped', () => {
  it('stay as they are', () => {
    expect(fit(book, { title: 'x' })).toEqual({ title: 'x' });
    const split = { type: 'object', properties: { id: { type: 'string' }, body: book }, required: ['id', 'body'] };
    expect(fit(split, { id: '1', body: { title: 'x' } })).toEqual({ id: '1', body: { title: 'x' } });
  });

  it('are not put into a property that no template names as the body', () => {
    expect(() => fit(wrapInputs(book), { title: 'x' }, { ...post, body_field: 'data' })).toThrowError(
      /^Invalid input: \/body is required/,
    );
  });
});
