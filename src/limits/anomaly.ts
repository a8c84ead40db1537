import { toAddressKey } from './address.js';
import type { AnomaliesConfig, AnomalyKind } from './anomaly-config.js';
import {
  CallerProfile,
  CredentialProfile,
  type Evidence,
  type Profile,
  RefusalProfile,
  SizeProfile,
} from './anomaly-profile.js';
import { BoundedMap } from './bounded-map.js';

/** What is known of one finished request. */
export interface Observation {
  /** Epoch milliseconds. */
  readonly at_ms: number;
  /** Verified; undefined when the credential was refused. */
  readonly caller: string | undefined;
  /** The digest of a verified credential. */
  readonly credential: string | undefined;
  readonly address: string;
  /** A tool that exists and that the caller may see. */
  readonly tool: string | undefined;
  /** What was asked for where no such tool is, or none for this caller. */
  readonly unknown_tool: string | undefined;
  /** Refused for what it is (401, 403, 404, 400), not for how often or when it came (429, 503). */
  readonly refused: boolean;
  /** The tool is one that nobody has business with. */
  readonly honeypot?: boolean;
  /** Bytes of the bodies; 0 when there is none or it isn't known. */
  readonly request_bytes: number;
  readonly response_bytes: number;
}

export type AnomalySeverity = 'info' | 'warning' | 'error' | 'critical';

/** Something unusual, with what shows it. */
export interface AnomalyFinding {
  readonly kind: AnomalyKind;
  readonly severity: AnomalySeverity;
  /** Undefined when only an address is known. */
  readonly caller: string | undefined;
  readonly tool: string | undefined;
  readonly address: string;
  readonly evidence: Evidence;
}

export interface AnomalyDetector {
  /** Takes a finished request in; gives what is unusual about it, mostly nothing. Never throws. */
  observe(observation: Observation): readonly AnomalyFinding[];
  /** How much is remembered: profiles of callers, credentials, addresses, and of callers' use of tools. */
  readonly size: number;
}

const none: readonly AnomalyFinding[] = [];
/** Profiles of (caller, tool) for each profile of a caller. */
const toolsPerCaller = 4;

const severities: Readonly<Record<AnomalyKind, AnomalySeverity>> = {
  first_use: 'info',
  rate_spike: 'warning',
  payload_size: 'warning',
  refusal_burst: 'warning',
  unknown_tool_sweep: 'error',
  address_spread: 'error',
  honeypot: 'critical',
};

/** A detector of this process alone: replicas learn apart, and a restart learns anew. */
export function createAnomalyDetector(config: AnomaliesConfig): AnomalyDetector {
  return config.enabled ? new Detector(config) : { observe: () => none, size: 0 };
}

class Detector implements AnomalyDetector {
  readonly #config: AnomaliesConfig;
  readonly #callers: BoundedMap<CallerProfile>;
  readonly #credentials: BoundedMap<CredentialProfile>;
  readonly #addresses: BoundedMap<RefusalProfile>;
  readonly #sizes: BoundedMap<SizeProfile>;
  #findings: AnomalyFinding[] | undefined;

  constructor(config: AnomaliesConfig) {
    this.#config = config;
    this.#callers = new BoundedMap(config.max_profiles, (at_ms) => new CallerProfile(at_ms));
    const { addresses } = config.address_spread;
    this.#credentials = new BoundedMap(config.max_profiles, () => new CredentialProfile(addresses));
    this.#addresses = new BoundedMap(config.max_profiles, () => new RefusalProfile());
    this.#sizes = new BoundedMap(config.max_profiles * toolsPerCaller, () => new SizeProfile());
  }

  get size(): number {
    return this.#callers.size + this.#credentials.size + this.#addresses.size + this.#sizes.size;
  }

  observe(observation: Observation): readonly AnomalyFinding[] {
    this.#findings = undefined;
    if (observation.caller === undefined) this.#observeStranger(observation);
    else this.#observeCaller(observation, observation.caller);
    return this.#findings ?? none;
  }

  #observeStranger(observation: Observation): void {
    if (!observation.refused) return;
    const profile = this.#addresses.of(toAddressKey(observation.address), observation.at_ms);
    this.#noteRefusal(profile, observation);
  }

  #observeCaller(observation: Observation, caller: string): void {
    const { at_ms, tool, unknown_tool, credential } = observation;
    const profile = this.#callers.of(caller, at_ms);
    this.#find(profile, observation, 'rate_spike', profile.noteRequest(at_ms, this.#config));
    if (tool !== undefined) {
      this.#find(profile, observation, 'first_use', profile.noteTool(tool, at_ms, this.#config));
      if (!observation.refused) {
        const known = profile.sizes.get(tool);
        this.#observeSizes(observation, known ?? profile.sizes.keep(tool, this.#sizes.of(`${caller} ${tool}`, at_ms)));
      }
    }
    if (unknown_tool !== undefined) {
      const { names } = this.#config.unknown_tool_sweep;
      this.#find(profile, observation, 'unknown_tool_sweep', profile.noteUnknownTool(unknown_tool, at_ms, names));
    }
    if (observation.refused) this.#noteRefusal(profile, observation);
    if (observation.honeypot) this.#find(profile, observation, 'honeypot', { asked_for: unknown_tool ?? tool ?? '' });
    if (credential !== undefined) {
      const known = profile.places.get(credential);
      this.#observePlaces(
        observation,
        known ?? profile.places.keep(credential, this.#credentials.of(credential, at_ms)),
      );
    }
  }

  #observeSizes(observation: Observation, sizes: SizeProfile): void {
    const { request_bytes, response_bytes } = observation;
    const evidence = sizes.noteSizes(request_bytes, response_bytes, this.#config);
    this.#find(sizes, observation, 'payload_size', evidence);
  }

  #observePlaces(observation: Observation, places: CredentialProfile): void {
    const evidence = places.noteAddress(observation.address, observation.at_ms, this.#config.address_spread.addresses);
    this.#find(places, observation, 'address_spread', evidence);
  }

  #noteRefusal(profile: RefusalProfile, observation: Observation): void {
    const { minimum } = this.#config.refusal_burst;
    this.#find(profile, observation, 'refusal_burst', profile.noteRefusal(observation.at_ms, minimum));
  }

  #find(profile: Profile, observation: Observation, kind: AnomalyKind, evidence: Evidence | undefined): void {
    if (!evidence) return;
    // A tool is new only once, so first uses are never withheld.
    if (kind !== 'first_use' && !profile.claim(kind, observation.at_ms, this.#config.quiet_ms)) return;
    const { caller, tool, address } = observation;
    this.#findings ??= [];
    this.#findings.push({ kind, severity: severities[kind], caller, tool, address, evidence });
  }
}
