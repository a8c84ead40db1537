import { fileURLToPath } from 'node:url';
import { buildApp } from './app.js';

const config = process.env.GATEHOUSE_CONFIG ?? fileURLToPath(new URL('../gatehouse.yaml', import.meta.url));
const app = await buildApp(config);
console.log(`The help desk is at ${await app.listen({ port: Number(process.env.PORT ?? 3000) })}`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close());
