import type { Json } from '../core/index.js';
import type { AnomaliesConfig, AnomalyKind } from './anomaly-config.js';
import { Baseline, DecayingCount, DistinctNames, RateMeter, SeenNames, Spread } from './anomaly-meters.js';

export type Evidence = { readonly [name: string]: Json };

const minute_ms = 60_000;
const sweepWindow_ms = 3_600_000;
const spreadWindow_ms = 3_600_000;
/** How many times the usual refusals are a burst. */
const burstFactor = 3;
const minimumSizes = 30;
const sizeMemory = 200;
/** The logarithm of sizes is never taken to vary by less than this. */
const minimumSizeDeviation = 0.4;

/** Whatever is remembered of one subject; each check gives its evidence, or undefined when all is as usual. */
export class Profile {
  /** For the map that holds it (`BoundedMap`). */
  used = false;
  /** Until when findings of a kind are withheld, since one was made. */
  #quietUntil_ms: Map<AnomalyKind, number> | undefined;

  /** Whether a finding of this kind may be made now; the next may after `quiet_ms`. */
  claim(kind: AnomalyKind, at_ms: number, quiet_ms: number): boolean {
    this.#quietUntil_ms ??= new Map();
    if (at_ms < (this.#quietUntil_ms.get(kind) ?? 0)) return false;
    this.#quietUntil_ms.set(kind, at_ms + quiet_ms);
    return true;
  }
}

/**
 * The profile that was asked for last, by name, so that it is looked up once. One that its map has let go of meanwhile
 * lives on here until another is asked for.
 */
export class Last<Of extends Profile> {
  #name: string | undefined;
  #profile: Of | undefined;

  isOf(name: string): boolean {
    return name === this.#name;
  }

  get(name: string): Of | undefined {
    if (name !== this.#name || !this.#profile) return undefined;
    this.#profile.used = true;
    return this.#profile;
  }

  keep(name: string, profile: Of): Of {
    this.#name = name;
    this.#profile = profile;
    return profile;
  }
}

/** Bursts of refusals: of a caller, or of an address that no caller is known for. */
export class RefusalProfile extends Profile {
  readonly #refusals = new DecayingCount(minute_ms);
  /** The most in each minute that had any. */
  readonly #usual = new Baseline(60);
  #peak = 0;
  #minute = 0;

  noteRefusal(at_ms: number, minimum: number): Evidence | undefined {
    const refusals = this.#refusals.add(at_ms);
    const threshold = Math.max(minimum, burstFactor * this.#usual.mean);
    const minute = Math.floor(at_ms / minute_ms);
    if (minute !== this.#minute) {
      if (this.#peak > 0) this.#usual.learn(Math.min(this.#peak, threshold));
      this.#minute = minute;
      this.#peak = 0;
    }
    this.#peak = Math.max(this.#peak, refusals);
    if (refusals < threshold) return undefined;
    return { refusals: round(refusals), within_s: 60, usual: round(this.#usual.mean), threshold: round(threshold) };
  }
}

/** The habits of a verified caller. */
export class CallerProfile extends RefusalProfile {
  readonly #since_ms: number;
  readonly #rate = new RateMeter();
  readonly #tools = new SeenNames();
  #unknown: DistinctNames | undefined;
  #requests = 0;
  /** Of the tool that it called last; most ask for the same many times. */
  readonly sizes = new Last<SizeProfile>();
  /** Of the credential that it used last. */
  readonly places = new Last<CredentialProfile>();

  constructor(since_ms: number) {
    super();
    this.#since_ms = since_ms;
  }

  noteRequest(at_ms: number, config: AnomaliesConfig): Evidence | undefined {
    this.#requests++;
    const { deviations, minimum } = config.rate_spike;
    const threshold = this.#rate.tick(at_ms, deviations, minimum);
    if (this.#rate.count <= threshold || !this.#isKnown(at_ms, config)) return undefined;
    const { mean, variance } = this.#rate.usual;
    return {
      requests: this.#rate.count,
      within_s: 10,
      usual: round(mean),
      deviation: round(Math.sqrt(variance)),
      threshold: round(threshold),
    };
  }

  noteTool(tool: string, at_ms: number, config: AnomaliesConfig): Evidence | undefined {
    if (this.sizes.isOf(tool) || !this.#tools.add(tool) || !this.#isKnown(at_ms, config)) return undefined;
    return { requests_before: this.#requests - 1, known_for_s: Math.round((at_ms - this.#since_ms) / 1000) };
  }

  noteUnknownTool(name: string, at_ms: number, names: number): Evidence | undefined {
    this.#unknown ??= new DistinctNames(sweepWindow_ms);
    const count = this.#unknown.add(name, at_ms);
    return count < names
      ? undefined
      : { names: count, within_s: sweepWindow_ms / 1000, examples: this.#unknown.samples };
  }

  #isKnown(at_ms: number, config: AnomaliesConfig): boolean {
    return this.#requests > config.learning_requests && at_ms - this.#since_ms >= config.learning_ms;
  }
}

/** Where a credential is used from. */
export class CredentialProfile extends Profile {
  readonly #spread: Spread;

  constructor(addresses: number) {
    super();
    this.#spread = new Spread(spreadWindow_ms, addresses);
  }

  noteAddress(address: string, at_ms: number, addresses: number): Evidence | undefined {
    const count = this.#spread.add(address, at_ms);
    return count <= addresses ? undefined : { addresses: count, within_s: spreadWindow_ms / 1000 };
  }
}

/** The sizes of what a caller sends to one tool and gets from it. */
export class SizeProfile extends Profile {
  readonly #request = new Baseline(sizeMemory);
  readonly #response = new Baseline(sizeMemory);

  noteSizes(request_bytes: number, response_bytes: number, config: AnomaliesConfig): Evidence | undefined {
    const sent = noteSize(this.#request, 'request', request_bytes, config);
    return noteSize(this.#response, 'response', response_bytes, config) ?? sent;
  }
}

function noteSize(usual: Baseline, direction: string, bytes: number, config: AnomaliesConfig): Evidence | undefined {
  if (bytes === 0) return undefined;
  const { deviations, factor, minimum_bytes } = config.payload_size;
  // Sizes are spread over orders of magnitude, so it is their logarithm that has a usual range.
  const size = Math.log(bytes);
  const spread = Math.max(minimumSizeDeviation, Math.sqrt(usual.variance));
  const limit = Math.max(usual.mean + deviations * spread, usual.mean + Math.log(factor), Math.log(minimum_bytes));
  const unusual = usual.samples >= minimumSizes && size > limit;
  const evidence = unusual ? describeSize(usual, direction, bytes) : undefined;
  usual.learn(Math.min(size, usual.samples >= minimumSizes ? limit : size));
  return evidence;
}

function describeSize(usual: Baseline, direction: string, bytes: number): Evidence {
  return { direction, bytes, usual_bytes: Math.round(Math.exp(usual.mean)), samples: usual.samples };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
