/** What every official client takes as a tool's name. */
export const toolName = /^[A-Za-z_]\w*$/;

/** The nearest name that every official client takes; undefined when nothing of the text can stand in one. */
export function toToolName(text: string): string | undefined {
  const name = text.replace(/[^A-Za-z0-9_]+/g, '_');
  if (!/[A-Za-z0-9]/.test(name)) return undefined;
  return /^[0-9]/.test(name) ? `_${name}` : name;
}
