import { randomBytes } from 'node:crypto';

/** Makes request ids: a random prefix for the process and a counter, cheap and unique across replicas. */
export function createRequestIds(): () => string {
  const prefix = randomBytes(9).toString('base64url');
  let count = 0;
  return () => {
    count++;
    return `${prefix}-${count.toString(36)}`;
  };
}
