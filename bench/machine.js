import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';

const runs = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

export const canPin = process.platform === 'linux' && availableParallelism() > 1 && runs('taskset', '-V');
export const hasNginx = runs('nginx', '-v');
export const hasWrk = spawnSync('wrk', ['-v'], { stdio: 'ignore' }).error === undefined;
/** A Python that has FastAPI and uvicorn; undefined when none has. */
export const python = ['/usr/bin/python3', 'python3'].find((name) => runs(name, '-c', 'import fastapi, uvicorn'));

/** Servers run on one core, the load and the upstream on another. */
export const cores = { server: 0, load: 1 };

/** A command line that keeps the process on a core, where that can be done. */
export function pin(core, command, args) {
  return canPin ? ['taskset', ['-c', String(core), command, ...args]] : [command, args];
}

export function describeMachine() {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? 'unknown',
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    pinned: canPin,
  };
}

/** Processor time that a process has used, all its threads together, in microseconds; undefined where it can't be read. */
export function readCpu_us(pid) {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    const spent = tasks.map((task) =>
      Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
    );
    return spent.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1000;
  } catch {
    return undefined;
  }
}

/** Resident memory in MiB; undefined where it can't be read. */
export function readMemory_mib(pid) {
  try {
    const line = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return line ? Number(line[1]) / 1024 : undefined;
  } catch {
    return undefined;
  }
}
