import { Agent, request } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildSources } from '../../support/build.js';
import { describeWithProgram } from '../../support/requirement.js';
import { bearer, keyEntry } from '../../support/server.js';
import { type Pair, startPair } from './pair.js';

const limit = 40;
const tool = (name: string, template: object = { call_template_type: 'text', content: name }) => ({
  name,
  description: name,
  inputs: { type: 'object', properties: {}, additionalProperties: false },
  tool_call_template: template,
});
/** Nothing listens on port 1, so its breaker opens. */
const outOfOrder = tool('gone', { call_template_type: 'http', http_method: 'GET', url: 'http://127.0.0.1:1/' });
const tools = [tool('few'), tool('some'), outOfOrder];

describeWithProgram('nginx', 'two replicas behind nginx', () => {
  describeWithProgram('redis-server', 'on one Redis', () => {
    let pair: Pair;
    let agent: Agent;
    beforeAll(async () => {
      pair = await startPair({
        build: buildSources(),
        files: { 'm.yaml': { utcp_version: '1.1.0', manual_version: '1.0.0', tools } },
        config: () => ({
          manuals: [{ name: 'm', source: './m.yaml', allow_private_hosts: ['127.0.0.1'], max_retries: 0 }],
          policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
          callers: ['alice', 'bob', 'carol'].map((id) => ({
            id,
            roles: ['user'],
            api_keys: { current: keyEntry(`${id}-key`) },
          })),
          limits: { per_caller: { per_hour: 3 * limit }, per_tool: { 'm.few': { per_hour: limit } } },
        }),
      });
      agent = new Agent({ connections: 16, connect: { ca: pair.ca } });
    });
    afterAll(async () => {
      await agent?.close();
      await pair?.close();
    });

    /** Calls so often, many at once, through nginx; counts answers by status, and by the replica that gave them. */
    async function callMany(caller: string, name: string, calls: number) {
      const statuses: Record<number, number> = {};
      const servedBy: Record<string, number> = {};
      let left = calls;
      const work = async () => {
        while (left-- > 0) {
          const headers = bearer(`${caller}-key`);
          const answer = await request(`${pair.url}/tools/m/${name}`, { headers, dispatcher: agent });
          await answer.body.dump();
          statuses[answer.statusCode] = (statuses[answer.statusCode] ?? 0) + 1;
          const replica = String(answer.headers['x-served-by']);
          servedBy[replica] = (servedBy[replica] ?? 0) + 1;
        }
      };
      await Promise.all(Array.from({ length: 16 }, work));
      return { statuses, replicas: Object.values(servedBy) };
    }

    it('allow one caller N calls of 10 N to one tool, ± 0, each of the replicas answering its share', async () => {
      const { statuses, replicas } = await callMany('alice', 'few', 10 * limit);
      expect(statuses).toEqual({ 200: limit, 429: 9 * limit });
      expect(replicas).toHaveLength(2);
      expect(Math.min(...replicas)).toBeGreaterThan(limit);
    });

    it('count what one replica refused for a tool no further, and hold the caller’s own limit over all tools', async () => {
      // 40 of alice's 120 are spent; what was refused above counted nowhere.
      expect((await callMany('alice', 'some', 10 * limit)).statuses).toEqual({ 200: 2 * limit, 429: 8 * limit });
    });

    it('leave another caller’s limit alone', async () => {
      expect((await callMany('bob', 'few', limit)).statuses).toEqual({ 200: limit });
      expect((await callMany('bob', 'few', 1)).statuses).toEqual({ 429: 1 });
    });

    it('stay in service behind nginx for every other tool while one is out of order and answers 503', async () => {
      const { statuses } = await callMany('carol', 'gone', 80);
      expect(Object.keys(statuses)).toEqual(['502', '503']);
      expect((await callMany('carol', 'some', limit)).statuses).toEqual({ 200: limit });
    });
  });
});
