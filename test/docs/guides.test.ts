import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, it } from 'vitest';
import { type Bookshop, startBookshop } from '../../src/example/bookshop.js';
import { buildSources } from '../support/build.js';
import { followGuide } from '../support/guide.js';
import { describeWithProgram } from '../support/requirement.js';

describeWithProgram('curl', 'a reader who does what a guide says', () => {
  const build = buildSources();
  let shop: Bookshop;
  beforeAll(async () => {
    shop = await startBookshop();
  });
  afterAll(() => shop.close());

  it('publishes an OpenAPI document', () => {
    const replace = { 'http://127.0.0.1:3000': shop.url };
    return followGuide('docs/guides/publish-my-openapi.md', build, { replace, environment: { SHOP_KEY: shop.key } });
  }, 60_000);

  it('tries the policy of the example', () => followGuide('docs/policy.md', build), 60_000);

  it('rotates a key without a gap', () => followGuide('docs/guides/rotate-a-key.md', build), 60_000);

  it('imports an OpenAPI document', async () => {
    const openapi = readFileSync(join(import.meta.dirname, '../../docs/openapi.md'), 'utf8');
    const [, document = ''] = /`shop\.openapi\.yaml`:\n\n```yaml\n(.*?)```/s.exec(openapi) ?? [];
    await followGuide('docs/import.md', build, { files: { 'shop.openapi.yaml': document } });
  }, 60_000);

  it('checks a configuration', () => followGuide('docs/check.md', build).then(() => undefined), 60_000);

  it('compares two versions', () => followGuide('docs/diff.md', build), 60_000);

  it('lints a manual and mends it', () => followGuide('docs/lint/README.md', build), 60_000);

  it('searches a manual', () => followGuide('docs/search.md', build), 60_000);

  it('gives an agent read-only access', () => followGuide('docs/guides/read-only-agent.md', build), 60_000);
});
