import type { FetchJson } from '../../src/auth/fetch-json.js';

/** FetchJson for tests on loopback: bounded in time and size, and it follows no redirect. */
export const fetchJson: FetchJson = async ({ url, method, headers, body, timeout_ms, max_bytes }) => {
  const signal = AbortSignal.timeout(timeout_ms);
  const answer = await fetch(url, {
    method,
    headers,
    redirect: 'error',
    signal,
    ...(body === undefined ? {} : { body }),
  });
  if (answer.status !== 200) throw new Error(`status ${answer.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += chunk.length;
    if (size > max_bytes) throw new Error('too large');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
};
