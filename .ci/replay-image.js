// Does what the Dockerfile says, where no Docker engine runs: its COPY and RUN steps into folders of their own, then its
// CMD and HEALTHCHECK as the image's user, on a read-only root of which only the data volume and /tmp can be written.
// What needs the base image (its apt-get step) is not run, but what that step takes away is not there here either.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { DockerfileParser } from 'dockerfile-ast';

const root = resolve(import.meta.dirname, '..');
const uid = 1000;
const work = mkdtempSync(join(tmpdir(), 'gatehouse-image-'));
const stages = new Map();
const say = (what) => process.stdout.write(`${what}\n`);

/** Runs the steps of every stage; gives what the last one is run with. */
function build(dockerfile) {
  let stage;
  for (const instruction of dockerfile.getInstructions()) {
    const args = instruction.getArguments().map((argument) => argument.getValue());
    const keyword = instruction.getKeyword();
    if (keyword === 'FROM') stage = openStage(instruction.getBuildStage() ?? 'image');
    else if (keyword === 'WORKDIR') stage.workdir = args[0];
    else if (keyword === 'COPY') copy(stage, instruction, args);
    else if (keyword === 'RUN') runStep(stage, instruction.getRawArgumentsContent());
    else if (keyword === 'ENV') Object.assign(stage.env, Object.fromEntries(args.map((pair) => pair.split('='))));
    else if (keyword === 'USER') stage.user = args[0];
    else if (keyword === 'VOLUME') stage.volume = args[0];
    else if (keyword === 'HEALTHCHECK') stage.health = jsonOf(instruction.getRawArgumentsContent());
    else if (keyword === 'ENTRYPOINT') stage.entrypoint = jsonOf(instruction.getRawArgumentsContent());
    else if (keyword === 'CMD') stage.command = jsonOf(instruction.getRawArgumentsContent());
    else assert.equal(keyword, 'EXPOSE', 'an instruction that is not replayed');
  }
  return stage;
}

function openStage(name) {
  const folder = join(work, name);
  mkdirSync(join(folder, 'app'), { recursive: true });
  const stage = { name, folder, workdir: '/', env: {}, user: 'root', removed: '' };
  stages.set(name, stage);
  return stage;
}

function copy(stage, instruction, args) {
  const from = instruction
    .getFlags()
    .find((flag) => flag.getName() === 'from')
    ?.getValue();
  const sources = args.slice(0, -1);
  const target = join(stage.folder, resolve(stage.workdir, args.at(-1)));
  for (const source of sources) {
    const path = from === undefined ? join(root, source) : join(stages.get(from).folder, source);
    const into = args.at(-1).endsWith('/') ? join(target, basename(source)) : target;
    cpSync(path, into, { recursive: true, verbatimSymlinks: true });
  }
}

function runStep(stage, text) {
  const command = text.replace(/\\\n/g, ' ');
  if (command.includes('apt-get')) {
    stage.removed = command;
    return;
  }
  say(`RUN ${command}`);
  const cwd = join(stage.folder, stage.workdir);
  execFileSync('sh', ['-ec', command], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}

function jsonOf(text) {
  return JSON.parse(text.slice(text.indexOf('[')));
}

function checkContents({ folder, user, removed }) {
  assert.equal(user, 'node');
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const dev = Object.keys(packages).filter((path) => packages[path].dev && existsSync(join(folder, 'app', path)));
  assert.deepEqual(dev, [], 'development dependencies in the image');
  for (const part of ['src', 'test', '.git', 'deploy', 'config/keys.yaml'])
    assert(!existsSync(join(folder, 'app', part)), part);
  for (const name of ['npm', 'npx', 'corepack', 'yarn', 'pnpm', 'apt', 'dpkg'])
    assert.match(removed, new RegExp(`/${name}\\b`));
}

/** The image's root: system libraries, Node.js, what was copied. Everything but /tmp and the volume is read-only. */
function enter(image, data, config, more = {}) {
  const system = ['/usr/lib', '/usr/lib64', '/lib', '/lib64'].filter(existsSync);
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/tmp', ...image.env, HOST: '127.0.0.1', ...more };
  const user = process.getuid() === 0 ? ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'] : [];
  return [
    ...user,
    'bwrap',
    ...['--die-with-parent', '--unshare-pid', '--unshare-ipc', '--clearenv', '--new-session'],
    ...Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]),
    ...system.flatMap((path) => ['--ro-bind', path, path]),
    ...(existsSync('/usr/lib/node_modules') ? ['--tmpfs', '/usr/lib/node_modules'] : []),
    ...['--ro-bind', process.execPath, '/usr/local/bin/node', '--ro-bind', join(image.folder, 'app'), '/app'],
    ...['--ro-bind', config, '/etc/gatehouse', '--bind', data, image.volume],
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--remount-ro', '/', '--chdir', image.workdir],
  ];
}

async function checkRun(image) {
  const [data, config] = ['data', 'etc'].map((name) => join(work, name));
  for (const folder of [data, config]) mkdirSync(folder);
  for (const folder of [work, config]) chmodSync(folder, 0o755);
  if (process.getuid() === 0) chownSync(data, uid, uid);
  for (const [name, lines] of Object.entries(files)) cpSyncText(join(config, name), lines);
  const port = String(await findFreePort());
  const at = (more) => enter(image, data, config, { PORT: port, ...more });

  say('nothing but the volume and /tmp can be written, and nothing is there to install with');
  run([...at(), 'node', '-e', probe]);

  say(`CMD ${[...image.entrypoint, ...image.command].join(' ')}`);
  assert.notEqual(run([...at(), ...image.health], true), 0, 'healthy before it runs');
  await serve([...at(), ...image.entrypoint, ...image.command], () => {
    assert.equal(run([...at(), ...image.health], true), 0, 'unhealthy while it runs');
  });
  assert.deepEqual(readdirSync(data).sort(), ['security.log']);

  say('the embedded default');
  await serve([...at(), ...image.entrypoint, 'serve'], () => undefined);
}

const files = {
  'gatehouse.yaml': [
    'server: { admin: { port: 0 } }',
    'manuals: [{ name: shop, source: ./shop.yaml }]',
    'policy: { roles: { reader: { discover: ["*"], call: ["*"] } } }',
    'callers: [{ id: agent, roles: [reader] }]',
    'security_log: { file: /var/lib/gatehouse/security.log, hash_chain: true }',
  ],
  'shop.yaml': readFileSync(join(root, 'deploy/manuals/shop.yaml'), 'utf8').split('\n'),
};

// Run inside: says which of these could be written, and which programs are on the path.
const probe = `
const { writeFileSync, existsSync, rmSync } = require('node:fs');
const can = (folder) => { try { writeFileSync(folder + '/x', ''); rmSync(folder + '/x'); return true; } catch { return false; } };
const wrong = ['/', '/app', '/app/dist', '/app/node_modules', '/etc', '/etc/gatehouse', '/usr', '/usr/local/bin', '/var', '/var/lib'].filter(can);
for (const folder of ['/tmp', '/var/lib/gatehouse']) if (!can(folder)) wrong.push('not ' + folder);
const tools = ['npm', 'npx', 'corepack', 'yarn', 'pnpm', 'apt', 'apt-get', 'dpkg'];
for (const tool of tools) for (const folder of process.env.PATH.split(':')) if (existsSync(folder + '/' + tool)) wrong.push(tool);
if (process.getuid() !== ${uid} && ${process.getuid() === 0}) wrong.push('uid ' + process.getuid());
if (wrong.length) { console.error(wrong.join(' ')); process.exit(1); }
`;

function cpSyncText(path, lines) {
  execFileSync('tee', [path], { input: lines.join('\n'), stdio: ['pipe', 'ignore', 'inherit'] });
}

function run([command, ...args], mayFail = false) {
  const { status } = spawnSync(command, args, {
    stdio: ['ignore', 'ignore', mayFail ? 'ignore' : 'inherit'],
    timeout: 20_000,
  });
  if (!mayFail) assert.equal(status, 0, args.slice(-3).join(' '));
  return status;
}

/** Starts it, waits until it is ready, does `meanwhile`, ends it as an engine does, and holds it to what it promises. */
async function serve([command, ...args], meanwhile) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    complaints += text;
  });
  const late = setTimeout(() => child.kill('SIGKILL'), 30_000);
  let pid;
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes('"server.ready"')) continue;
    pid = JSON.parse(line).pid;
    meanwhile();
    break;
  }
  assert(pid, `it did not start: ${complaints}`);
  child.stdout.resume();
  const server = findServer(child.pid);
  if (process.getuid() === 0)
    assert.match(readFileSync(`/proc/${server}/status`, 'utf8'), new RegExp(`^Uid:\\s+${uid}\\s`, 'm'));
  process.kill(server, 'SIGTERM');
  const [code] = await once(child, 'exit');
  clearTimeout(late);
  assert.equal(code, 0, `exit code ${code}: ${complaints}`);
  assert.doesNotMatch(complaints, /EROFS|EACCES|EPERM/, complaints);
}

/** The one descendant that runs the program: bwrap keeps a process or two in between. */
function findServer(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  for (const child of children) {
    const found = findServer(child);
    if (found) return found;
  }
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('node\0') ? Number(pid) : undefined;
}

async function findFreePort() {
  const { createServer } = await import('node:net');
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

try {
  const dockerfile = DockerfileParser.parse(readFileSync(join(root, 'Dockerfile'), 'utf8'));
  const image = build(dockerfile);
  checkContents(image);
  await checkRun(image);
  say('The image’s steps hold.');
} finally {
  rmSync(work, { recursive: true, force: true });
}
