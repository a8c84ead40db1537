/** What one program may use. A field left out sets no limit of that kind. */
export interface ProcessLimits {
  /** Seconds of processor time of one process (RLIMIT_CPU). */
  readonly cpu_seconds?: number;
  /** Bytes of private memory of one process (RLIMIT_DATA), and of its address space unless that is given. */
  readonly memory_bytes?: number;
  /** Bytes of address space of one process (RLIMIT_AS): for programs that reserve far more than they use. */
  readonly address_space_bytes?: number;
  /** Processes and threads of one sandbox (RLIMIT_NPROC, counted in its own user namespace since Linux 5.14). */
  readonly processes?: number;
  /** Open files of one process (RLIMIT_NOFILE). */
  readonly open_files?: number;
  /** Bytes of one written file (RLIMIT_FSIZE). */
  readonly file_bytes?: number;
  /** Bytes of the private /tmp; without a sandbox it has no effect. */
  readonly tmp_bytes?: number;
}

const mebibyte = 1_048_576;

/** The limits of a program whose template names none. */
export const defaultProcessLimits = {
  cpu_seconds: 30,
  memory_bytes: 512 * mebibyte,
  processes: 64,
  open_files: 256,
  file_bytes: 64 * mebibyte,
  tmp_bytes: 64 * mebibyte,
} as const satisfies ProcessLimits;

/** An unprivileged user of the host. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
}

/** `nobody` and `nogroup`: who a program is when Gatehouse is root and the template names nobody else. */
export const unprivilegedUser: ProcessUser = { uid: 65_534, gid: 65_534 };

/** How a program is to be run; everything that is the same for each of its runs. */
export interface SandboxOptions {
  readonly sandbox: 'required' | 'none';
  /** Absolute path of the program. */
  readonly command: string;
  /** The whole environment of the program: nothing is inherited (CVE-2026-45369, GHSA-5v57-8rxj-3p2r). */
  readonly environment: Readonly<Record<string, string>>;
  /** Absolute path; the private /tmp when absent (without a sandbox: the host's). */
  readonly working_directory?: string;
  readonly limits: ProcessLimits;
  /**
   * Whole milliseconds after which a sandbox ends even when nobody is left to end it, rounded up to seconds. Absent: it
   * may run for ever. Without a sandbox it has no effect.
   */
  readonly lifetime_ms?: number;
  /** Absolute paths that the program sees beside the system's own, read-only. */
  readonly read_only_paths?: readonly string[];
  /** Absolute paths that the program may write to. */
  readonly writable_paths?: readonly string[];
  /** `none` (default): not even loopback. `host`: the host's network, for an MCP server that calls out. */
  readonly network?: 'none' | 'host';
  /** Has effect when Gatehouse is root; `unprivilegedUser` when absent. */
  readonly run_as?: ProcessUser;
}

/** Where the options were written, for findings. */
export interface SandboxPlace {
  readonly file: string;
  readonly pointer: string;
}
