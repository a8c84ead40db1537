import { randomBytes } from 'node:crypto';

/**
 * Makes request ids: a random prefix for the process and a counter, cheap and unique across replicas. All are of one
 * length, since answers that must look alike carry one.
 */
export function createRequestIds(): () => string {
  const prefix = randomBytes(9).toString('base64url');
  let count = 0;
  return () => {
    count++;
    return `${prefix}-${count.toString(36).padStart(8, '0')}`;
  };
}
