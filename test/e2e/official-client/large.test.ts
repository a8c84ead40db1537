import { readFileSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { connectOfficial } from '../../support/official-client.js';
import { keyEntry, startServer } from '../../support/server.js';
import { missingSharedData, sharedDocument, skipSharedData } from '../../support/shared-data.js';

const config = {
  manuals: [{ name: 'github', source: './github.json' }],
  policy: { roles: { all: { discover: ['*'], call: ['*'] } } },
  callers: [{ id: 'me', roles: ['all'], api_keys: { current: keyEntry('k') } }],
};

it.skipIf(skipSharedData)(
  `a document of over 1,000 operations loads within 5 s and 1 GiB, and registers whole in the official client (${missingSharedData})`,
  async () => {
    const text = readFileSync(sharedDocument('github-rest.openapi.json'), 'utf8');
    const start = process.cpuUsage();
    const server = await startServer({ config, files: { 'github.json': text } });
    onTestFinished(() => server.close());
    const spent = process.cpuUsage(start);
    // Processor time, which others on the machine lengthen least.
    expect((spent.user + spent.system) / 1000).toBeLessThan(5000);
    expect(process.memoryUsage().rss).toBeLessThan(2 ** 30);

    const client = await connectOfficial(server.url, { bearer: 'k' });
    expect(client.errors).toEqual([]);
    expect(new Set(client.tools).size).toBe(countOperations(JSON.parse(text).paths));
    expect(client.tools.length).toBeGreaterThan(1000);
  },
  60_000,
);

function countOperations(paths: Readonly<Record<string, object>>): number {
  return Object.values(paths).flatMap((item) => Object.values(item).filter((value) => 'operationId' in Object(value)))
    .length;
}
