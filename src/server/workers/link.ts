import { isMessage, type PrimaryMessage, type WorkerMessage } from './message.js';

type Listener<Kind extends PrimaryMessage['kind']> = (message: Extract<PrimaryMessage, { kind: Kind }>) => void;

/** A worker's end of the channel to its primary. When the primary is gone, the worker ends: it could share nothing. */
export class PrimaryLink {
  readonly #listeners = new Map<string, ((message: PrimaryMessage) => void)[]>();

  constructor() {
    process.on('message', (message: unknown) => {
      if (!isMessage<PrimaryMessage>(message)) return;
      for (const listener of this.#listeners.get(message.kind) ?? []) listener(message);
    });
  }

  on<Kind extends PrimaryMessage['kind']>(kind: Kind, listener: Listener<Kind>): void {
    const isOfKind = (message: PrimaryMessage): message is Extract<PrimaryMessage, { kind: Kind }> =>
      message.kind === kind;
    const listeners = this.#listeners.get(kind) ?? [];
    listeners.push((message) => {
      if (isOfKind(message)) listener(message);
    });
    this.#listeners.set(kind, listeners);
  }

  send(message: WorkerMessage): void {
    // A failure says that the channel is closed, and its end is what ends this process.
    process.send?.(message, undefined, undefined, () => undefined);
  }

  /** Resolves when all that was sent has gone out. */
  async flush(): Promise<void> {
    await new Promise<void>((resolve) => {
      if (!process.send?.({ kind: 'flushed' }, undefined, undefined, () => resolve())) resolve();
    });
  }
}
