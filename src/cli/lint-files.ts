import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf, LoadError } from '../core/index.js';
import { replaceFile } from '../files/atomic-file.js';
import {
  fileIo,
  fixText,
  isUrl,
  type LintFinding,
  type LintOptions,
  type LintReport,
  lintSource,
  type ManualIo,
  readSourceText,
  readSuppressions,
  type Suppression,
  toToolName,
} from '../manual/index.js';
import { type CommandInput, flagOf, type Io, stringOf, UsageError } from './command.js';
import { createSourceIo } from './source.js';

/** What was found in one manual, and what of it was mended. */
export interface LintedFile {
  /** As the user named it. */
  readonly file: string;
  readonly report: LintReport;
  readonly fixed: readonly LintFinding[];
}

interface Target {
  readonly file: string;
  /** Where accepted findings stand; undefined where there is no such file. */
  readonly suppressions: string | undefined;
}

// Places inside each other are mended one after the other.
const maxFixRuns = 8;

/** Lints files and URLs one after the other; with `--fix` it mends the files. Throws LoadError for what cannot be read. */
export async function lintFiles(
  sources: readonly string[],
  options: LintOptions,
  input: CommandInput,
  io: Io,
): Promise<readonly LintedFile[]> {
  if (flagOf(input, 'fix') && sources.some(isUrl)) throw new UsageError('--fix mends files, not URLs');
  const sourceIo = createSourceIo(sources, input, io);
  const targets = sources.map((file) => ({ file, suppressions: findSuppressions(file, input, io) }));
  const linted: LintedFile[] = [];
  for (const target of targets) {
    io.status?.(`Linting ${target.file} …`);
    try {
      linted.push(await lintFile(target, options, { input, io, sourceIo }));
    } finally {
      io.status?.('');
    }
  }
  return settleSuppressions(linted, targets);
}

interface Tools {
  readonly input: CommandInput;
  readonly io: Io;
  readonly sourceIo: ManualIo;
}

async function lintFile(target: Target, options: LintOptions, { input, io, sourceIo }: Tools): Promise<LintedFile> {
  const { file } = target;
  const path = resolve(io.cwd, file);
  const suppress = target.suppressions === undefined ? [] : readAccepted(target.suppressions, path, io);
  const lint = (text: string) =>
    lintSource(
      text,
      file,
      { ...options, suppress },
      {
        name: toToolName(basename(file).replace(/\..*$/, '')) ?? 'api',
        ...(isUrl(file) ? { source_url: file } : { path }),
        base_url: stringOf(input, 'base-url'),
        io: { realPath: fileIo.realPath, readText: (other) => readSourceText(other, io.cwd, fileIo) },
      },
    );
  const original = await readSourceText(file, io.cwd, sourceIo);
  let [text, report] = [original, await lint(original)];
  const fixed: LintFinding[] = [];
  if (!flagOf(input, 'fix')) return { file, report, fixed };
  for (let run = 0; run < maxFixRuns; run++) {
    const mended = fixText(text, report.findings);
    if (mended.text === text) break;
    fixed.push(...mended.fixed);
    [text, report] = [mended.text, await lint(mended.text)];
  }
  if (text !== original) writeMended(path, file, text);
  return { file, report, fixed };
}

function writeMended(path: string, file: string, text: string): void {
  try {
    replaceFile(path, text);
  } catch (error) {
    const code = codeOf(error) ?? 'unknown';
    const message = `The mended file cannot be written (${code}).`;
    throw LoadError.of({ rule: 'file-unwritable', file, pointer: '', message, mend: 'Make it writable.' });
  }
}

const defaultName = '.gatehouse-lint.yaml';

function findSuppressions(file: string, input: CommandInput, io: Io): string | undefined {
  const named = stringOf(input, 'suppressions');
  if (named !== undefined) return named;
  const beside = isUrl(file) ? defaultName : join(dirname(file), defaultName);
  return existsSync(resolve(io.cwd, beside)) ? beside : undefined;
}

function readAccepted(file: string, manual: string, io: Io): readonly Suppression[] {
  const path = resolve(io.cwd, file);
  const all = readSuppressions(readText(path, file), file);
  return all.filter((one) => one.file === undefined || resolve(dirname(path), one.file) === manual);
}

function readText(path: string, file: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    const message = 'The suppressions cannot be read.';
    throw LoadError.of({ rule: 'file-unreadable', file, pointer: '', message, mend: 'Name a file that is there.' });
  }
}

/** A suppression that fits another manual of the same run is not unused, and one that fits none is told once. */
function settleSuppressions(files: readonly LintedFile[], targets: readonly Target[]): readonly LintedFile[] {
  const unused = (index: number) => files[index]?.report.findings.filter(isUnused).map(({ message }) => message) ?? [];
  return files.map((file, index) => {
    const place = targets[index]?.suppressions;
    const sharing = targets.flatMap((target, at) => (target.suppressions === place ? [at] : []));
    const isKept = ({ message }: LintFinding) =>
      sharing[0] === index && sharing.every((at) => unused(at).includes(message));
    const findings = file.report.findings.flatMap((finding) => {
      if (!isUnused(finding)) return [finding];
      return isKept(finding) ? [{ ...finding, ...(place !== undefined && { file: place }) }] : [];
    });
    return { ...file, report: { ...file.report, findings } };
  });
}

function isUnused({ rule }: LintFinding): boolean {
  return rule === 'suppression-unused';
}
