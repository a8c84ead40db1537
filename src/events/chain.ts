import { hash } from 'node:crypto';

/** The place of a record in its chain. */
export interface ChainHead {
  readonly seq: number;
  /** SHA-256 of the record, base64url. */
  readonly hash: string;
}

/** One line of a chained log, taken apart. */
export interface ChainRecord extends ChainHead {
  readonly prev: string;
  /** Whether the line is what its hash says. */
  readonly intact: boolean;
}

/** What the first record of a chain follows. */
export const chainStart: ChainHead = { seq: 0, hash: 'A'.repeat(43) };

const tail = /,"seq":([1-9]\d{0,15}),"prev":"([\w-]{43})","hash":"([\w-]{43})"\}$/;
const hashMember = /,"hash":"[\w-]{43}"\}$/;

/**
 * A chain of records: each holds its number, the SHA-256 of the record before and its own, which covers the line up to
 * `,"hash"`. Records are sealed in the order in which they are written.
 */
export class Chain {
  #head: ChainHead;

  constructor(head: ChainHead) {
    this.#head = head;
  }

  get head(): ChainHead {
    return this.#head;
  }

  /** Turns the members of an event (`renderEvent`) into the chain's next line. */
  seal(members: string): string {
    const seq = this.#head.seq + 1;
    const covered = `${members},"seq":${seq},"prev":"${this.#head.hash}"`;
    const digest = hash('sha256', covered, 'base64url');
    this.#head = { seq, hash: digest };
    return `${covered},"hash":"${digest}"}\n`;
  }
}

/** Takes a line (without its line feed, one character a byte) apart; undefined when it is no record of a chain. */
export function parseRecord(line: string): ChainRecord | undefined {
  const match = tail.exec(line);
  const [, seq, prev, digest] = match ?? [];
  if (!line.startsWith('{"time":"') || !seq || !prev || !digest) return undefined;
  const covered = Buffer.from(line.replace(hashMember, ''), 'latin1');
  return { seq: Number(seq), prev, hash: digest, intact: hash('sha256', covered, 'base64url') === digest };
}
