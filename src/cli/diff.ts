import {
  type Change,
  diffManuals,
  type LoadedManual,
  loadManual,
  type ManualDiff,
  manualEntrySchema,
} from '../manual/index.js';
import {
  type Command,
  type CommandInput,
  commonOptions,
  configFileOf,
  exitCodes,
  flagOf,
  type Io,
  stringOf,
  takePositionals,
} from './command.js';
import { loadForCommand } from './configuration.js';
import { diffReviews } from './diff-mcp.js';
import { printChanges } from './diff-report.js';
import { reviewManuals } from './mcp-reviews.js';
import { createSourceIo, sourceOptions } from './source.js';

/** `gatehouse diff OLD NEW`: what changed for a caller, and which step of the version that owes. */
export const diffCommand: Command = {
  name: 'diff',
  summary: 'compare two versions of a manual, or MCP tools with what is approved of them',
  usage: 'OLD NEW | --mcp [MANUAL…]',
  options: {
    mcp: { type: 'boolean', help: 'compare the MCP servers of the configuration with their approved tools' },
    'base-url': { type: 'string', value: 'URL', help: 'for OpenAPI documents that name no server' },
    ...sourceOptions,
    ...commonOptions,
  },
  notes: [
    'OLD and NEW are files or URLs: UTCP manuals or OpenAPI documents. docs/diff.md lists the kinds of changes.',
    'A changed MCP tool is quarantined; --mcp shows what changed, and gatehouse approve approves it.',
    'Exit codes: 0 manual_version takes the step that is owed, or no MCP tool changed; 1 not so; 2 unreadable input.',
  ],
  run: (input, io) => (flagOf(input, 'mcp') ? diffMcp(input, io) : diffFiles(input, io)),
};

async function diffFiles(input: CommandInput, io: Io): Promise<number> {
  const sources = takePositionals(input, 'OLD', 'NEW');
  const sourceIo = createSourceIo(sources, input, io);
  const base_url = stringOf(input, 'base-url');
  const load = (source = '') =>
    loadManual(
      manualEntrySchema.parse({ name: 'manual', source, ...(base_url !== undefined && { base_url }) }),
      io.cwd,
      sourceIo,
    );
  const [before, after] = [await load(sources[0]), await load(sources[1])];
  const diff = diffManuals(before.manual, after.manual);
  const owed = nextVersion(before.manual.manual_version, diff.owed);
  if (flagOf(input, 'json')) io.out(JSON.stringify({ ...describeSides(before, after), ...diff, next_version: owed }));
  else io.out([...printChanges(diff.changes, io), describeVersion(before, after, diff, owed)].join('\n'));
  return diff.matches ? exitCodes.good : exitCodes.findings;
}

async function diffMcp(input: CommandInput, io: Io): Promise<number> {
  const loaded = await loadForCommand(configFileOf(input, io), io);
  const changes = diffReviews(await reviewManuals(loaded, input.positionals));
  if (flagOf(input, 'json')) io.out(JSON.stringify({ changes }));
  else io.out([...printChanges(changes, io), describeQuarantine(changes)].join('\n'));
  return changes.length === 0 ? exitCodes.good : exitCodes.findings;
}

function describeQuarantine(changes: readonly Change[]): string {
  if (changes.length === 0) return 'All tools are as they were approved.';
  return 'Until it is approved, each tool is served as before or not at all. gatehouse approve shows the digest to approve.';
}

function describeSides(before: LoadedManual, after: LoadedManual) {
  const side = ({ file, manual }: LoadedManual) => ({ file, manual_version: manual.manual_version });
  return { old: side(before), new: side(after) };
}

function describeVersion(
  before: LoadedManual,
  after: LoadedManual,
  diff: ManualDiff,
  owed: string | undefined,
): string {
  const [from, to] = [before.manual.manual_version, after.manual.manual_version];
  const { length: count } = diff.changes;
  const owes = count === 1 ? '1 change owes' : `${count} changes owe`;
  const lead = count === 0 ? 'Nothing changed.' : `${owes} a ${diff.owed} step.`;
  const step = from === to ? `manual_version stays ${from}` : `manual_version goes from ${from} to ${to}`;
  if (diff.matches) return `${lead} ${step}: good.`;
  if (diff.stated === 'backward') return `${lead} ${step}, which is backward.`;
  if (diff.stated === 'unknown') return `${lead} ${step}, which is no semantic version: write MAJOR.MINOR.PATCH.`;
  return `${lead} ${step}: write ${owed ?? `a ${diff.owed} step`} or higher.`;
}

/** The lowest version that takes the step; undefined for one that is no semantic version. */
function nextVersion(version: string, step: ManualDiff['owed']): string | undefined {
  const [, major, minor = '0', patch = '0'] = /^v?(\d+)(?:\.(\d+)(?:\.(\d+))?)?/.exec(version.trim()) ?? [];
  if (major === undefined || step === 'none') return major === undefined ? undefined : version;
  const numbers = { major: Number(major), minor: Number(minor), patch: Number(patch) };
  // Below 1.0.0 a minor step may break (semver.org 2.0.0, 4).
  if (step === 'major' && numbers.major > 0) return `${numbers.major + 1}.0.0`;
  return step === 'patch' ? `${major}.${minor}.${numbers.patch + 1}` : `${major}.${numbers.minor + 1}.0`;
}
