import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { issueCertificate, makeAuthority } from './certificates.js';
import { findFreePort } from './port.js';
import { findProgram } from './requirement.js';

const deployed = join(import.meta.dirname, '../../deploy/nginx/nginx.conf');
const program = findProgram('nginx') ?? 'nginx';

/** A real nginx on loopback that runs `deploy/nginx/nginx.conf` in front of a test's servers. */
export interface TestNginx {
  /** `https://localhost:PORT`. */
  readonly url: string;
  readonly port: number;
  /** The authority that its certificate is from, in PEM, and as a file for NODE_EXTRA_CA_CERTS. */
  readonly ca: string;
  readonly ca_file: string;
  /** What it wrote to its error log so far. */
  errors(): string;
  close(): Promise<void>;
}

export interface NginxOptions {
  /** Where the replicas listen, `127.0.0.1:PORT` each. */
  readonly replicas: readonly string[];
  /** Changes the adapted configuration further, for a test about one directive. */
  readonly adapt?: (config: string) => string;
}

/** Starts it; whoever starts it closes it. Its port is known ahead by `port`, for a server's `public_url`. */
export async function startNginx(options: NginxOptions, port?: number): Promise<TestNginx> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-nginx-'));
  const authority = await makeAuthority();
  const identity = await issueCertificate(authority, ['localhost', '127.0.0.1']);
  mkdirSync(join(folder, 'tls'));
  const files = { 'tls/tls.crt': identity.cert, 'tls/tls.key': identity.key, 'ca.pem': authority.cert };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const listen = port ?? (await findFreePort());
  const adapted = adaptConfig(readFileSync(deployed, 'utf8'), folder, listen, options.replicas);
  writeFileSync(join(folder, 'nginx.conf'), options.adapt?.(adapted) ?? adapted);
  const log = join(folder, 'error.log');
  writeFileSync(log, '');
  execFileSync(program, ['-t', '-q', '-c', join(folder, 'nginx.conf'), '-e', log, '-p', folder], { stdio: 'pipe' });
  const child = spawn(program, ['-c', join(folder, 'nginx.conf'), '-e', log, '-p', folder], { stdio: 'ignore' });
  await untilOpen(listen, child, log);
  return {
    url: `https://localhost:${listen}`,
    port: listen,
    ca: authority.cert,
    ca_file: join(folder, 'ca.pem'),
    errors: () => readFileSync(log, 'utf8'),
    async close() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The deployed configuration with this host's port, paths and replicas; everything else stays as it is deployed. */
function adaptConfig(config: string, folder: string, port: number, replicas: readonly string[]): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  const main = `daemon off;\npid ${folder}/nginx.pid;\n${process.getuid?.() === 0 ? 'user root;\n' : ''}`;
  const settings = [...temporary, 'access_log off;', `error_log ${folder}/error.log info;`];
  const adapted = main
    .concat(config)
    .replace('worker_processes auto', 'worker_processes 1')
    .replace('http {', `http {\n  ${settings.join('\n  ')}`)
    .replace(/ {4}server gatehouse-1:8080;\n {4}server gatehouse-2:8080;\n/, replicas.map(toServer).join(''))
    .replace('listen 443', `listen 127.0.0.1:${port}`)
    .replaceAll('/etc/nginx/tls', join(folder, 'tls'));
  // `http2 on` came with nginx 1.25.1; Debian 12 has 1.22, where it is said with `listen`.
  return knowsHttp2Directive() ? adapted : adapted.replace(/ ssl;\n\s*http2 on;/, ' ssl http2;');
}

function toServer(address: string): string {
  return `    server ${address};\n`;
}

function knowsHttp2Directive(): boolean {
  const { stderr } = spawnSync(program, ['-v'], { encoding: 'utf8' });
  const [, minor = 0, patch = 0] = /nginx\/1\.(\d+)\.(\d+)/.exec(stderr)?.map(Number) ?? [];
  return minor > 25 || (minor === 25 && patch >= 1);
}

async function untilOpen(port: number, child: ChildProcess, log: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${readFileSync(log, 'utf8')}`);
    if (await answers(port)) return;
    await sleep(25);
  }
  throw new Error(`nginx does not listen: ${readFileSync(log, 'utf8')}`);
}

function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).finally(() => socket.destroy());
}
