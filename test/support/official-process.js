// The official TypeScript client in a process of its own, so that NODE_EXTRA_CA_CERTS can name the authority of a test.
// Takes JSON in argv[2]: url, key, and the calls to make; prints one line of JSON with what came back.
import { register } from '@utcp/http';
import { UtcpClient, UtcpClientConfigSerializer } from '@utcp/sdk';

const { url, key, calls } = JSON.parse(process.argv[2] ?? '{}');
for (const method of ['log', 'warn', 'error']) console[method] = () => undefined;
register(true);
const config = new UtcpClientConfigSerializer().validateDict({ variables: { gate_TOKEN: key } });
const client = await UtcpClient.create(process.cwd(), config);
const auth = { auth_type: 'api_key', api_key: 'Bearer ${TOKEN}', var_name: 'Authorization', location: 'header' };
const { errors, manual } = await client.registerManual({
  name: 'gate',
  call_template_type: 'http',
  http_method: 'GET',
  url: `${url}/utcp`,
  auth,
});
const results = [];
for (const { tool, args } of calls) results.push(await client.callTool(`gate.${tool}`, args));
process.stdout.write(`${JSON.stringify({ errors, tools: manual.tools.map(({ name }) => name), results })}\n`);
