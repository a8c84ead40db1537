import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallScope, type Json, LoadError } from '../../src/core/index.js';
import { compileMessage } from '../../src/protocols/websocket-message.js';
import { inputsOf, makeVariables } from '../support/binding.js';

const scope = new CallScope('request-1', 1000, 'alice');

function compile(message: Json) {
  return compileMessage(message, {
    inputs: inputsOf('action', 'limit', 'tags'),
    variables: makeVariables({ API_TOKEN: 'tok"en' }),
    file: 'manual.yaml',
    pointer: '/message',
  });
}

const renderJson = (message: Json, args: Readonly<Record<string, Json>>) =>
  JSON.parse(compile(message).render(args, scope));

describe('compileMessage', () => {
  it.each(['{limit}', `\${limit}`, 'UTCP_ARG_limit_UTCP_ARG'])(
    'keeps the type of an argument that stands alone: %s',
    (text) => {
      expect(renderJson({ n: text }, { limit: 3 })).toEqual({ n: 3 });
      expect(renderJson([text], { limit: [true, null] })).toEqual([[true, null]]);
    },
  );

  it('puts an argument inside a longer string as text', () => {
    expect(renderJson({ cmd: 'do {action} x{limit}' }, { action: 'go', limit: 3 })).toEqual({ cmd: 'do go x3' });
  });

  it('leaves a member out whose argument is absent', () => {
    expect(renderJson({ type: 'q', a: '{action}', list: ['{limit}', 1] }, {})).toEqual({ type: 'q', list: [1] });
  });

  it('puts variables in at load', () => {
    expect(renderJson({ token: `\${API_TOKEN}` }, {})).toEqual({ token: 'tok"en' });
  });

  it('lets no argument add a member, end a string or name a variable', () => {
    const message = '{"cmd":"run {action}","fixed":true}';
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0')),
        (action) => {
          expect(renderJson(message, { action })).toEqual({ cmd: `run ${action}`, fixed: true });
        },
      ),
    );
    expect(renderJson(message, { action: `","fixed":false,"x":"\${API_TOKEN}` })).toEqual({
      cmd: `run ","fixed":false,"x":"\${API_TOKEN}`,
      fixed: true,
    });
  });

  it('fills in a JSON text with placeholders where values stand, and refuses one that can never be JSON', () => {
    expect(renderJson('{"n": {limit}, "tags": [{tags}]}', { limit: 3, tags: '","x":"' })).toEqual({
      n: 3,
      tags: ['","x":"'],
    });
    expect(() => compile('{"cmd": {action}, }')).toThrowError(LoadError);
  });

  it('writes the id of the request where the message asks for it', () => {
    expect(renderJson({ id: `\${request_id}` }, {})).toEqual({ id: 'request-1' });
  });

  it('writes a text message, and names the argument that it lacks', () => {
    const message = compile('CMD:UTCP_ARG_action_UTCP_ARG;N:{limit}');
    expect(message.render({ action: 'go', limit: 3 }, scope)).toBe('CMD:go;N:3');
    expect(() => message.render({ action: 'go' }, scope)).toThrowError(
      expect.objectContaining({
        code: 'invalid_input',
        details: expect.objectContaining({ errors: [{ pointer: '/limit', message: 'is missing' }] }),
      }),
    );
  });

  it('refuses a placeholder that names no input', () => {
    expect(() => compile({ at: '{{now}}' })).toThrowError(/now/);
  });
});
