import { describe, expect, it } from 'vitest';
import { connectOfficial, statusOf } from '../../support/official-client.js';
import { startEchoProvider } from './provider.js';

const batch = { client_id: 'batch', client_secret: 'batch secret' };

describe('the official client with OAuth client credentials', () => {
  it('registers and calls; its two simultaneous token requests both succeed', async () => {
    const { url, sink } = await startEchoProvider();
    const client = await connectOfficial(url, batch);
    expect(client).toMatchObject({ errors: [], tools: ['get_item', 'find_items', 'create_item', 'update_item'] });
    expect(await client.call('create_item', { item: { title: 'x' } })).toMatchObject({ body: { title: 'x' } });
    // One by credentials in the body, one by Basic, at once, for the manual; the token serves the call too.
    await expect.poll(() => sink.of('token.issued').length).toBe(2);
    expect(sink.of('auth.failure')).toEqual([]);
  });

  it('the second token does not revoke the first', async () => {
    const { url } = await startEchoProvider();
    const clients = [await connectOfficial(url, batch), await connectOfficial(url, batch)];
    for (const client of clients) {
      expect(await client.call('get_item', { id: '1' })).toMatchObject({ url: '/items/1' });
    }
  });

  it('a wrong secret registers nothing', async () => {
    const { url } = await startEchoProvider();
    const client = await connectOfficial(url, { ...batch, client_secret: 'wrong' });
    expect(client.tools).toEqual([]);
    expect(client.errors).toEqual([expect.stringContaining('Failed to fetch OAuth2 token')]);
  });

  it("narrows nothing of the roles and grants nothing beyond them: an administrator's tool stays away", async () => {
    const { url } = await startEchoProvider();
    const client = await connectOfficial(url, batch);
    const error = await client.call('drop_items', {}).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(statusOf(error)).toBeUndefined();
  });
});
