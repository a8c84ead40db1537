import { Chain } from './chain.js';
import { type CheckpointSigner, readSigner } from './checkpoint.js';
import { EventClock } from './clock.js';
import type { SecurityLogConfig } from './config.js';
import type { EventSink, EventSinkState, SecurityEvent } from './event.js';
import { openLogFile, openStandardOutput } from './file.js';
import { renderEvent } from './line.js';
import { resumeChain } from './resume.js';
import { LineWriter } from './writer.js';

export interface EventSinkOptions {
  /** Paths in it are taken as they stand: resolve them against the configuration's directory first. */
  readonly config: SecurityLogConfig;
  /** Gives the value of an allowed variable, for the signing key. */
  readonly readVariable?: (name: string) => string | undefined;
  /** Takes one line of plain text when the log itself has a problem; default standard error. */
  readonly report?: (problem: string) => void;
  /** Epoch milliseconds; default the system clock. */
  readonly now?: () => number;
}

/**
 * Opens the security log: one JSON line an event, in printable ASCII, to the configured file or standard output.
 * docs/events.md lists the events, docs/audit.md the hash chain, docs/failure-modes.md what happens when the destination
 * fails.
 *
 * @throws LoadError when the file can't be opened or the signing key can't be read
 */
export function createEventSink(options: EventSinkOptions): EventSink {
  return new SecurityLog(options);
}

class SecurityLog implements EventSink {
  readonly #config: SecurityLogConfig;
  readonly #report: (problem: string) => void;
  readonly #now: () => number;
  readonly #writer: LineWriter;
  readonly #signer: CheckpointSigner | undefined;
  readonly #chain: Chain | undefined;
  #unsigned = 0;
  #lost = 0;
  /** Lost events that no `log.lost` has told of. */
  #untold = 0;
  readonly #clock = new EventClock();

  constructor(options: EventSinkOptions) {
    this.#config = options.config;
    this.#report = options.report ?? ((problem) => process.stderr.write(`${problem}\n`));
    this.#now = options.now ?? Date.now;
    this.#signer = readSigner(options.config, options.readVariable);
    this.#writer = this.#openWriter();
    if (!options.config.hash_chain) return;
    const resumption = resumeChain(options.config.file);
    this.#chain = new Chain(resumption.head);
    this.#writer.write(resumption.before);
    this.#put(resumption.opening);
  }

  get accepting(): boolean {
    return this.#config.on_failure === 'continue' || !this.#writer.failing;
  }

  emit(event: SecurityEvent): void {
    if (!this.#writer.hasRoom) {
      this.#lost++;
      if (this.#untold++ === 0) this.#report('The security log takes no more events: they are lost until it does.');
      return;
    }
    this.#tellLoss();
    this.#put(event);
    if (this.#unsigned >= this.#config.checkpoint_every) this.#putCheckpoint();
  }

  state(): EventSinkState {
    return { status: this.#writer.failing || this.#untold > 0 ? 'failing' : 'ok', lost: this.#lost };
  }

  flush(): Promise<void> {
    return this.#writer.flush();
  }

  async close(): Promise<void> {
    this.#tellLoss();
    if (this.#unsigned > 0) this.#putCheckpoint();
    await this.#writer.close();
  }

  #openWriter(): LineWriter {
    const { file, ...limits } = this.#config;
    const onProblem = (code: string) => this.#report(`The security log cannot be rotated (${code}) and grows on.`);
    return new LineWriter({
      ...limits,
      file: file === undefined ? openStandardOutput() : openLogFile(file, { ...limits, onProblem }),
      onFailure: (code) => this.#report(`The security log cannot be written (${code}): events wait in memory.`),
      onRecovery: () => {
        this.#report('The security log is written again.');
        this.#tellLoss();
      },
    });
  }

  #put(event: SecurityEvent): void {
    const members = renderEvent(event, this.#clock.format(this.#now()));
    if (this.#chain && this.#signer) this.#unsigned++;
    this.#writer.write(this.#chain ? this.#chain.seal(members) : `${members}}\n`);
  }

  #putCheckpoint(): void {
    if (!this.#chain || !this.#signer) return;
    this.#put(this.#signer.sign(this.#chain.head));
    this.#unsigned = 0;
  }

  #tellLoss(): void {
    const lost = this.#untold;
    if (lost === 0) return;
    this.#untold = 0;
    this.#put({ event: 'log.lost', outcome: 'failure', reason: 'destination_failed', lost });
  }
}
