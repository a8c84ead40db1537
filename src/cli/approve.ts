import { createHash } from 'node:crypto';
import { approveMcpTools, type McpChange, type McpReview } from '../protocols/index.js';
import {
  type Command,
  commonOptions,
  configFileOf,
  exitCodes,
  flagOf,
  type Io,
  stringOf,
  stringsOf,
} from './command.js';
import { loadForCommand } from './configuration.js';
import { reviewManuals } from './mcp-reviews.js';
import { paint, printable } from './terminal.js';

/**
 * `gatehouse approve`: what differs between the lock file and what the MCP servers list now, and, with the digest of
 * what was shown, its approval. A server that says something else the second time is not approved.
 */
export const approveCommand: Command = {
  name: 'approve',
  summary: 'show how tools of MCP servers have changed, and approve it',
  usage: '[MANUAL…]',
  options: {
    tool: {
      type: 'string',
      multiple: true,
      value: 'NAME',
      help: 'only this tool, by its name on the server; may repeat',
    },
    digest: { type: 'string', value: 'HEX', help: 'approve, if the changes are still those with this digest' },
    ...commonOptions,
  },
  notes: [
    'Exit 1 when there are changes that are not approved. A running server takes an approval at its next reload.',
  ],
  async run(input, io) {
    const loaded = await loadForCommand(configFileOf(input, io), io);
    const reviews = narrow(await reviewManuals(loaded, input.positionals), stringsOf(input, 'tool'));
    const count = reviews.reduce((sum, { changes }) => sum + changes.length, 0);
    const digest = digestReviews(reviews);
    const approved = stringOf(input, 'digest') === digest && count > 0;
    if (approved) approveMcpTools(reviews, loaded.config.mcp);
    if (flagOf(input, 'json')) io.out(JSON.stringify({ digest, approved, reviews }));
    else printReviews(io, reviews, approved ? 'Approved.' : describeNext(count, digest, stringOf(input, 'digest')));
    return count === 0 || approved ? exitCodes.good : exitCodes.findings;
  },
};

function narrow(reviews: readonly McpReview[], tools: readonly string[]): readonly McpReview[] {
  if (tools.length === 0) return reviews;
  return reviews.map((review) => ({ ...review, changes: review.changes.filter(({ tool }) => tools.includes(tool)) }));
}

function digestReviews(reviews: readonly McpReview[]): string {
  return createHash('sha256').update(JSON.stringify(reviews)).digest('hex').slice(0, 16);
}

function describeNext(count: number, digest: string, given: string | undefined): string {
  if (count === 0) return 'All tools are as they were approved.';
  const lead = given === undefined ? '' : 'The changes are not those with that digest: nothing is approved. ';
  return `${lead}To approve exactly this, run the command again with --digest ${digest}`;
}

const colours = { new: 'green', changed: 'yellow', gone: 'red' } as const;

function printReviews(io: Io, reviews: readonly McpReview[], last: string): void {
  for (const { manual, server, changes } of reviews) {
    for (const change of changes) {
      const where = `${manual} ${server === 'default' ? '' : `${server} `}${show(change.tool)}`;
      io.out(`${paint(io, colours[change.kind], change.kind.padEnd(7))}  ${where}`);
      for (const line of describeChange(change)) io.out(`         ${line}`);
    }
  }
  io.out(last);
}

const parts = ['title', 'description', 'annotations', 'inputSchema', 'outputSchema'] as const;

function describeChange(change: McpChange): readonly string[] {
  if (change.kind === 'gone') return [];
  const approved = change.kind === 'changed' ? change.approved : undefined;
  return parts.flatMap((part) => {
    const [before, after] = [show(approved?.[part]), show(change.current[part])];
    if (before === after) return [];
    const lines = [before && `- ${part}: ${before}`, after && `+ ${part}: ${after}`];
    return lines.filter((line) => line !== '');
  });
}

/** A value as JSON in which every character that a terminal would not show, or would obey, can be seen. */
function show(value: unknown): string {
  return value === undefined ? '' : printable(JSON.stringify(value));
}
