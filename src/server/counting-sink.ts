import type { EventSink, EventSinkState, SecurityEvent } from '../events/index.js';

/** A sink that tells of each event before it passes it on. */
export class CountingSink implements EventSink {
  readonly #inner: EventSink;
  /** Told of each event; nothing until it is set. */
  onEvent: ((event: SecurityEvent) => void) | undefined;

  constructor(inner: EventSink) {
    this.#inner = inner;
  }

  get accepting(): boolean {
    return this.#inner.accepting;
  }

  emit(event: SecurityEvent): void {
    this.onEvent?.(event);
    this.#inner.emit(event);
  }

  state(): EventSinkState {
    return this.#inner.state();
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
