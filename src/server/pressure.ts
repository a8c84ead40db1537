import { getHeapStatistics } from 'node:v8';
import underPressure from '@fastify/under-pressure';
import fastify, { type FastifyInstance } from 'fastify';
import type { SheddingConfig } from '../config/index.js';
import type { PressureReason } from '../pipeline/index.js';

/** A start, a reload or a collection may hold up the loop once; work that is too much holds it up again and again. */
const samplesInRow = 2;

/** What was measured over one interval. */
export interface PressureSample {
  /** Mean milliseconds by which the event loop was late. */
  readonly delay_ms: number;
  /** Of the largest heap that V8 allows. */
  readonly heap_ratio: number;
}

/** Says from samples whether a process keeps up. */
export class PressureJudge {
  readonly #config: SheddingConfig;
  #slowSamples = 0;
  /** Why nothing more should be begun now; undefined while the process keeps up. */
  reason: PressureReason | undefined;

  constructor(config: SheddingConfig) {
    this.#config = config;
  }

  take({ delay_ms, heap_ratio }: PressureSample): void {
    const { max_event_loop_delay_ms, max_heap_ratio } = this.#config;
    const isSlow = max_event_loop_delay_ms > 0 && delay_ms > max_event_loop_delay_ms;
    this.#slowSamples = isSlow ? this.#slowSamples + 1 : 0;
    const isFull = max_heap_ratio > 0 && heap_ratio > max_heap_ratio;
    this.reason = this.#slowSamples >= samplesInRow ? 'event_loop_delay' : isFull ? 'heap_full' : undefined;
  }
}

/**
 * Whether this process keeps up. @fastify/under-pressure measures, on an instance of its own: its hook would look at
 * every request, health probes included, and take one slow moment for overload; here the first stage asks, and health
 * does not.
 */
export class Pressure {
  readonly #interval_ms: number;
  readonly #judge: PressureJudge;
  #meter: FastifyInstance | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(config: SheddingConfig) {
    this.#interval_ms = config.sample_interval_ms;
    this.#judge = new PressureJudge(config);
  }

  async open(): Promise<void> {
    const meter = fastify({ logger: false });
    await meter.register(underPressure, { sampleInterval: this.#interval_ms });
    await meter.ready();
    this.#meter = meter;
    this.#timer = setInterval(() => this.#look(meter), this.#interval_ms).unref();
  }

  /** Why nothing more should be begun now; undefined while the process keeps up. */
  read(): PressureReason | undefined {
    return this.#judge.reason;
  }

  /** Mean delay of the event loop over the last interval, in seconds. */
  get event_loop_delay_s(): number {
    return (this.#meter?.memoryUsage().eventLoopDelay ?? 0) / 1000;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#meter?.close();
  }

  #look(meter: FastifyInstance): void {
    const { eventLoopDelay, heapUsed } = meter.memoryUsage();
    this.#judge.take({ delay_ms: eventLoopDelay, heap_ratio: heapUsed / getHeapStatistics().heap_size_limit });
  }
}
