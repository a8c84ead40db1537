import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from '../../support/redis.js';
import { findProgram } from '../../support/requirement.js';

/** A real nginx that shares requests out among replicas, turn by turn. */
export interface Gateway {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts one on a loopback port. A replica that takes no connection is passed over; a request that one has begun to answer is
 * never sent to another. `x-served-by` names the replica's port.
 */
export async function startGateway(folder: string, port: number, replicas: readonly number[]): Promise<Gateway> {
  const place = join(folder, 'nginx');
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'nginx.conf'), describeConfiguration(place, port, replicas));
  const program = findProgram('nginx') ?? 'nginx';
  const child = spawn(program, ['-p', place, '-c', join(place, 'nginx.conf'), '-e', 'stderr'], { stdio: 'ignore' });
  await waitForPort(child, port);
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

/** Two ports: one for the gateway, and one for each replica. */
export async function choosePorts(replicas: number): Promise<{ gateway: number; replicas: readonly number[] }> {
  const ports = new Set<number>();
  while (ports.size < replicas + 1) ports.add(await findFreePort());
  const [gateway = 0, ...rest] = ports;
  return { gateway, replicas: rest };
}

// Without a master process it is one process, which ends with its signal and leaves no worker behind.
function describeConfiguration(place: string, port: number, replicas: readonly number[]): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off;
master_process off;
pid ${place}/nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
${temporary.map((name) => `  ${name}_temp_path ${place}/${name};`).join('\n')}
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream replicas {
${replicas.map((replica) => `    server 127.0.0.1:${replica} max_fails=1 fail_timeout=1s;`).join('\n')}
    keepalive 32;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_read_timeout 30s;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $remote_addr;
      add_header X-Served-By $upstream_addr always;
    }
  }
}
`;
}

async function waitForPort(child: ChildProcess, port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}.`);
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    await sleep(25);
  }
  throw new Error('nginx does not listen.');
}
