import { UsageError } from './command.js';

const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of `90d`, `24h`, `15m` or `30s`. Throws UsageError that names the option. */
export function parseDuration(text: string, option: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  const unit = match?.[2];
  if (!match || (unit !== 's' && unit !== 'm' && unit !== 'h' && unit !== 'd')) {
    throw new UsageError(`${option} takes a time such as 90d, 24h, 15m or 30s`);
  }
  return Number(match[1]) * units[unit];
}
