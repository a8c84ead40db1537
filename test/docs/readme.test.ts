import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { manyOperations } from '../manual/openapi/document.js';
import { buildSources } from '../support/build.js';
import { followGuide, readCommands } from '../support/guide.js';
import { startManualServer } from '../support/manual-server.js';
import { describeWithProgram } from '../support/requirement.js';
import { sharedDocument, skipSharedData } from '../support/shared-data.js';

const root = join(import.meta.dirname, '../..');
const section = 'Five minutes from an OpenAPI document to a call';
const config = 'my-tools/config/gatehouse.yaml';

const path = '/repos/{owner}/{repo}/languages';

type Paths = Record<string, Record<string, unknown>>;

/** GitHub's document, or one as large where it is absent; its upstream is the test's own. */
function readDocument(upstream: string): { readonly paths: Paths } {
  const document = skipSharedData ? makeDocument() : readFileSync(sharedDocument('github-rest.openapi.json'), 'utf8');
  return { ...JSON.parse(document), servers: [{ url: upstream }] };
}

function makeDocument(): string {
  const many = manyOperations(1200);
  const paths = {
    ...Object(many.paths),
    [path]: { get: { operationId: 'repos_list_languages', responses: {} } },
  };
  return JSON.stringify({ openapi: '3.0.3', info: { title: 'Large', version: '1' }, ...many, paths });
}

describeWithProgram('bash', 'the README', () => {
  const build = buildSources();

  it('goes from an OpenAPI document to a linted, signed, filtered manual and a call in under ten commands', async () => {
    expect(readCommands('README.md', section).length).toBeLessThan(10);
    const upstream = await startManualServer(({ url }) =>
      url === '/repos/nodejs/node/languages' ? { body: { C: 7 } } : { status: 404 },
    );
    const document = readDocument(upstream.url);
    const printed = await followGuide('README.md', build, {
      section,
      files: { 'github-rest.openapi.json': JSON.stringify(document) },
      replace: {
        'npm run -s gatehouse -- ': 'gatehouse ',
        // The key is printed once: a person copies it, this test keeps what was printed.
        '--role reader': '--role reader | tee init.txt',
        'gh_…': "$(grep -o 'gh_[A-Za-z0-9_-]*' init.txt | head -1)",
        // The test's upstream is on this machine, and the packages are there already.
        '--fail-on error': `--fail-on error\nsed -i 's#^    source: .*#&\\n    allow_private_hosts: [127.0.0.1]#' ${config}`,
        'npm install @utcp/sdk @utcp/http': `ln -s ${root}/node_modules node_modules`,
        '--limit 3': '--limit 3\ncat pins.json',
      },
    });
    const reading = Object.values(document.paths).filter((item) => 'get' in item).length;
    expect(printed).toMatch(/my_api\.json: \d+ warnings?, \d+ remarks, \d+ mended/);
    expect(printed).toContain('No item fails.');
    expect(printed).toContain(`${reading} tools, 0 errors`);
    expect(printed).toContain('"kty": "OKP"');
    expect(printed).toContain('{ C: 7 }');
  }, 120_000);
});
