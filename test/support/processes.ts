import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Ids of the processes of this host whose command line holds a text. */
export function processesWith(marker: string): readonly number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => commandLine(pid).includes(marker))
    .map(Number);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    // It ended between the listing and the look.
    return '';
  }
}

/** Descendants of this process, zombies included. */
export function childProcesses(): readonly number[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

/** How many descriptors this process has open. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Waits until `value` gives what `done` asks for, at most so many milliseconds; gives the last value. */
export async function eventually<T>(value: () => T, done: (value: T) => boolean, withinMs = 10_000): Promise<T> {
  const end = performance.now() + withinMs;
  for (let last = value(); ; last = value()) {
    if (done(last) || performance.now() > end) return last;
    await sleep(20);
  }
}

/** A number once it has stood still for a quarter of a second. Throws when it goes on changing. */
export async function whenStill(read: () => number, withinMs = 10_000): Promise<number> {
  const end = performance.now() + withinMs;
  for (let last = read(); performance.now() < end; last = read()) {
    await sleep(250);
    if (read() === last) return last;
  }
  throw new Error(`It still changes after ${withinMs} ms.`);
}

/** Ids of the processes of a name that have ended without a parent to reap them: left to the first process, or to us. */
export function zombies(name: string): readonly number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => [1, process.pid].some((parent) => readStat(pid).includes(`(${name}) Z ${parent} `)))
    .map(Number);
}

function readStat(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // It was reaped between the listing and the look.
    return '';
  }
}
