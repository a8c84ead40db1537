/** What is still to be ended after the test that runs. */
const open: (() => unknown)[] = [];

/** Has something ended after the test. A hook of the helper's own would count for the first file of a shared process alone. */
export function endAfterTest(end: () => unknown): void {
  open.push(end);
}

/** Ends all of it; test/support/setup.ts calls it after every test. */
export async function endAll(): Promise<void> {
  for (const end of open.splice(0)) await end();
}
