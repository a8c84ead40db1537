import type { EventName, EventSink, SecurityEvent } from '../../src/events/index.js';

/** A sink that keeps what it is given. */
export class MemorySink implements EventSink {
  readonly events: SecurityEvent[] = [];

  emit(event: SecurityEvent): void {
    this.events.push(event);
  }

  readonly accepting = true;

  state() {
    return { status: 'ok', lost: 0 } as const;
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}

  of<Name extends EventName>(name: Name): Extract<SecurityEvent, { event: Name }>[] {
    return this.events.filter((event): event is Extract<SecurityEvent, { event: Name }> => event.event === name);
  }

  /** The events of one request. */
  about(request_id: string | null): SecurityEvent[] {
    return this.events.filter((event) => event.request_id === request_id);
  }
}
