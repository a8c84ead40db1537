import { LoadError } from '../core/index.js';

/** Follows a JSON template and says whether a placeholder stands inside a string. */
export class JsonStringTracker {
  #inside = false;
  #escaped = false;
  #sample = '';

  constructor(readonly place: { readonly file: string; readonly pointer: string }) {}

  /** Reads the next literal piece of the template. */
  read(text: string): void {
    this.#sample += text;
    for (const character of text) {
      if (this.#escaped) this.#escaped = false;
      else if (character === '\\') this.#escaped = this.#inside;
      else if (character === '"') this.#inside = !this.#inside;
    }
  }

  /** The context of a placeholder that follows what was read. */
  placeholderContext(): 'json' | 'json_string' {
    // A backslash before the placeholder would swallow the value's own first escape and let it close the string.
    if (this.#escaped) throw this.#malformed('A placeholder follows a backslash.');
    this.#sample += this.#inside ? 'x' : '0';
    return this.#inside ? 'json_string' : 'json';
  }

  /** Checks that the whole is JSON once every placeholder has a value; throws LoadError otherwise. */
  finish(): void {
    try {
      JSON.parse(this.#sample);
    } catch {
      throw this.#malformed('The template is not JSON.');
    }
  }

  #malformed(message: string): LoadError {
    const mend = 'Write JSON with placeholders where values stand or inside strings.';
    return LoadError.of({ rule: 'json-template-malformed', ...this.place, message, mend });
  }
}
