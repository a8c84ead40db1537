import { describe, expect, it } from 'vitest';
import { connectOfficial, statusOf } from '../../support/official-client.js';
import { bearer } from '../../support/server.js';
import { startEchoProvider } from './provider.js';

const reader = { bearer: 'reader-key' };
const editor = { bearer: 'editor-key' };

describe('the official client with a bearer key', () => {
  it('registers exactly the tools that the caller may discover', async () => {
    const { url } = await startEchoProvider();
    expect(await connectOfficial(url, reader)).toMatchObject({
      errors: [],
      tools: ['get_item', 'find_items', 'create_item'],
    });
    expect((await connectOfficial(url, editor)).tools).toEqual([
      'get_item',
      'find_items',
      'create_item',
      'update_item',
    ]);
  });

  it('registers one manual by its own address', async () => {
    const { url } = await startEchoProvider();
    expect((await connectOfficial(url, reader, { path: '/utcp/echo' })).tools).toHaveLength(3);
    expect((await connectOfficial(url, reader, { path: '/utcp/other' })).errors).toEqual([
      expect.stringContaining('404'),
    ]);
  });

  it('is refused with a bad key', async () => {
    const { url } = await startEchoProvider();
    expect((await connectOfficial(url, { bearer: 'wrong' })).errors).toEqual([expect.stringContaining('401')]);
  });

  it('calls by GET: path values keep every character, numbers their type', async () => {
    const { url } = await startEchoProvider();
    const client = await connectOfficial(url, reader);
    expect(await client.call('get_item', { id: 'a/b ?#%é', page: 7, ratio: -0.5 })).toEqual({
      method: 'GET',
      url: '/items/a%2Fb%20%3F%23%25%C3%A9?page=7&ratio=-0.5',
      body: null,
    });
    expect(await client.call('get_item', { id: '007' })).toMatchObject({ url: '/items/007' });
  });

  it('calls with booleans, nulls, arrays and unicode: types arrive as they were sent', async () => {
    const { url } = await startEchoProvider();
    const client = await connectOfficial(url, editor);
    const item = { title: '本 📚 "é"\n', yes: true, no: false, none: null, list: [1, 'two', [], { a: null }], n: 1e21 };
    expect(await client.call('create_item', { item })).toEqual({ method: 'POST', url: '/items', body: item });
    expect(await client.call('update_item', { id: 'x y', item })).toEqual({
      method: 'PUT',
      url: '/items/x%20y',
      body: item,
    });
  });

  it('calls a reading tool with typed arguments in the wrapped form', async () => {
    const { url, requests } = await startEchoProvider();
    const client = await connectOfficial(url, reader);
    await client.call('find_items', { body: { fresh: false, tags: ['a', 'b c'], owner: null } });
    const query = new URL(requests[0]?.url ?? '', 'http://x').searchParams;
    expect(query.get('fresh')).toBe('false');
    expect([...query.values()]).toEqual(expect.arrayContaining(['a', 'b c']));
  });

  it('a tool that is seen but not to be called answers 403', async () => {
    const { url, requests } = await startEchoProvider();
    const client = await connectOfficial(url, reader);
    const error = await client.call('create_item', { item: { title: 'x' } }).catch((reason: unknown) => reason);
    expect(statusOf(error)).toBe(403);
    expect(requests).toHaveLength(0);
  });

  it('a tool that is not permitted is absent, and its call answers 404 as for one that does not exist', async () => {
    const { url, requests } = await startEchoProvider();
    const client = await connectOfficial(url, reader);
    await expect(client.call('drop_items', {})).rejects.toThrowError(/not found/);
    const answer = async (tool: string) => {
      const response = await fetch(`${url}/tools/echo/${tool}`, {
        method: 'POST',
        headers: bearer('reader-key'),
        body: '{}',
      });
      const problem: unknown = await response.json();
      return { status: response.status, problem: { ...(typeof problem === 'object' && problem), request_id: '' } };
    };
    expect(await answer('drop_items')).toEqual(await answer('no_such_tool'));
    expect((await answer('drop_items')).status).toBe(404);
    expect(requests).toHaveLength(0);
  });
});
