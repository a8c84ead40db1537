import { existsSync, lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { isInside } from './path.js';
import type { SandboxOptions } from './sandbox-options.js';

const systemRoots = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

// What a dynamic loader and Debian's alternatives need of /etc; nothing that names users, hosts or secrets.
const systemFiles = ['/etc/ld.so.cache', '/etc/ld.so.conf', '/etc/ld.so.conf.d', '/etc/alternatives', '/etc/localtime'];

// Read by resolvers and TLS libraries; of no use, and so not shown, without a network.
const networkFiles = ['/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', '/etc/ssl/certs', '/etc/pki'];

/**
 * The bubblewrap options for a program: what it sees, and what it may write. Read from the host's file tree now, so
 * that a run computes nothing.
 */
export function sandboxMounts(options: SandboxOptions): readonly string[] {
  return [
    ...isolation(options),
    ...systemMounts(options.network === 'host'),
    ...privateMounts(options.limits.tmp_bytes),
    ...extraMounts(options),
    // The root of a sandbox is a tmpfs without a size: left writable, it would be memory without a limit.
    ...['--remount-ro', '/', '--chdir', options.working_directory ?? '/tmp'],
    ...Object.entries(options.environment).flatMap(([name, value]) => ['--setenv', name, value]),
  ];
}

function isolation(options: SandboxOptions): readonly string[] {
  return [
    ...['--unshare-all', '--unshare-user', '--disable-userns', '--die-with-parent', '--new-session'],
    // bubblewrap's own init outlives bubblewrap, and is a zombie for ever where the server is the first of a container.
    '--as-pid-1',
    ...(options.network === 'host' ? ['--share-net'] : []),
    ...['--uid', '65534', '--gid', '65534', '--cap-drop', 'ALL', '--hostname', 'sandbox', '--clearenv'],
  ];
}

function systemMounts(network: boolean): readonly string[] {
  const roots = systemRoots.filter((root) => existsSync(root));
  const files = network ? [...systemFiles, ...networkFiles] : systemFiles;
  return [
    ...['--ro-bind', '/usr', '/usr'],
    ...roots.flatMap((root) =>
      lstatSync(root).isSymbolicLink() ? ['--symlink', readlinkSync(root), root] : ['--ro-bind', root, root],
    ),
    ...files.filter((file) => existsSync(file)).flatMap((file) => ['--ro-bind', realpathSync(file), file]),
  ];
}

function privateMounts(tmpBytes: number | undefined): readonly string[] {
  const size = tmpBytes === undefined ? [] : ['--size', String(tmpBytes)];
  return [
    ...['--proc', '/proc', '--dev', '/dev'],
    ...[...size, '--tmpfs', '/dev/shm', '--remount-ro', '/dev'],
    ...[...size, '--perms', '1777', '--tmpfs', '/tmp'],
  ];
}

/** What of the host's files a program sees: the system's own and what its options name. */
export function shownPaths(options: SandboxOptions): readonly string[] {
  const { read_only_paths = [], writable_paths = [], working_directory, command } = options;
  const named = [...read_only_paths, ...writable_paths, ...(working_directory ? [working_directory] : [])];
  return ['/usr', ...systemRoots, ...systemFiles, ...named, command];
}

function extraMounts(options: SandboxOptions): readonly string[] {
  const writable = options.writable_paths ?? [];
  const cwd = options.working_directory;
  const cwdIsShown = cwd === undefined || cwd === '/tmp' || writable.includes(cwd);
  const shown = ['/usr', ...systemRoots, ...(options.read_only_paths ?? []), ...writable, ...(cwd ? [cwd] : [])];
  const program = [options.command, realpathSync(options.command)].filter((path) => !isInside(path, shown));
  return [
    ...(options.read_only_paths ?? []).flatMap((path) => ['--ro-bind', realpathSync(path), path]),
    ...(cwdIsShown ? [] : ['--ro-bind', realpathSync(cwd), cwd]),
    ...writable.flatMap((path) => ['--bind', realpathSync(path), path]),
    ...[...new Set(program)].flatMap((path) => ['--ro-bind', realpathSync(path), path]),
  ];
}
