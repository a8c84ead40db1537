import type { LoadedConfig } from '../config/index.js';
import { LoadError } from '../core/index.js';

const ofTheListener = ['tls', 'trust_proxy'] as const;

/** Throws LoadError for what a part of another's app has no say in: left out in silence, either would fail open. */
export function refuseListenerSettings(loaded: LoadedConfig): void {
  const set = ofTheListener.filter((key) => JSON.stringify(loaded.config.server[key] ?? []) !== '[]');
  if (set.length === 0) return;
  throw new LoadError(
    set.map((key) => ({
      rule: 'listener-setting',
      severity: 'error',
      file: loaded.file,
      pointer: `/server/${key}`,
      message: `server.${key} belongs to the app that listens, and this one is mounted in another.`,
      mend: 'Give the app itself `https` or `trustProxy`, and take the key out.',
    })),
  );
}
