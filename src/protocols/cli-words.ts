import { LoadError } from '../core/index.js';
import type { TextPlace } from '../variables/index.js';

// What a shell would act on outside quotes. None of it is ever acted on here, so none is let through as if it were.
const shellCharacters = new Set('|&;<>()`*?[]{}!~#\n\r');
const variable = /^\$\{[A-Za-z_][A-Za-z0-9_]*\}/;
const argumentPlaceholder = /UTCP_ARG_(\w+?)_UTCP_END/g;

/**
 * Splits one of UTCP 1.1's command texts into the words that a POSIX shell would make of it, as template texts: with
 * `{name}` for `UTCP_ARG_name_UTCP_END`, and `$$` for a dollar that quotes protect. Quotes and backslashes are
 * understood; whatever needs a shell is refused with LoadError: pipes, redirections, substitutions, globs, `$NAME`.
 * `${NAME}` stays, for it is UTCP's own variable.
 */
export function splitCommand(text: string, place: TextPlace): readonly string[] {
  const splitter = new WordSplitter(text, place);
  return splitter.split().map((word) => word.replace(argumentPlaceholder, '{$1}'));
}

class WordSplitter {
  readonly #words: string[] = [];
  #word: string | undefined;
  #position = 0;

  constructor(
    readonly text: string,
    readonly place: TextPlace,
  ) {}

  split(): readonly string[] {
    while (this.#position < this.text.length) this.#readNext();
    this.#endWord();
    return this.#words;
  }

  #readNext(): void {
    const character = this.#take();
    if (character === ' ' || character === '\t') this.#endWord();
    else if (character === "'") this.#readSingleQuoted();
    else if (character === '"') this.#readDoubleQuoted();
    else if (character === '\\') this.#addLiteral(this.#takeEscaped());
    else if (character === '$') this.#readVariable();
    else if (shellCharacters.has(character)) throw this.#refuse(character);
    else this.#add(character);
  }

  #readSingleQuoted(): void {
    this.#add('');
    const end = this.text.indexOf("'", this.#position);
    if (end < 0) throw this.#unfinished("'");
    for (const character of this.text.slice(this.#position, end)) this.#addLiteral(character);
    this.#position = end + 1;
  }

  #readDoubleQuoted(): void {
    this.#add('');
    for (;;) {
      if (this.#position >= this.text.length) throw this.#unfinished('"');
      const character = this.#take();
      if (character === '"') return;
      if (character === '`') throw this.#refuse(character);
      if (character === '$') this.#readVariable();
      else if (character === '\\' && /["\\$`]/.test(this.text[this.#position] ?? '')) this.#addLiteral(this.#take());
      else this.#add(character);
    }
  }

  #readVariable(): void {
    const match = variable.exec(this.text.slice(this.#position - 1));
    if (!match) throw this.#refuse('$');
    this.#add(match[0]);
    this.#position += match[0].length - 1;
  }

  #take(): string {
    const character = this.text.charAt(this.#position);
    this.#position += 1;
    return character;
  }

  #takeEscaped(): string {
    if (this.#position >= this.text.length) throw this.#unfinished('\\');
    return this.#take();
  }

  #add(text: string): void {
    this.#word = (this.#word ?? '') + text;
  }

  // A dollar that quotes protect is text; in a template text that is written `$$`.
  #addLiteral(character: string): void {
    this.#add(character === '$' ? '$$' : character);
  }

  #endWord(): void {
    if (this.#word !== undefined) this.#words.push(this.#word);
    this.#word = undefined;
  }

  #refuse(character: string): LoadError {
    const shown = character === '\n' || character === '\r' ? 'A line break' : character;
    return this.#error(
      'shell-syntax',
      `${shown} would need a shell, and none is ever run.`,
      'Quote it if it is meant as text; write a script for pipes, redirections and substitutions, and name the script; give each command its own step.',
    );
  }

  #unfinished(character: string): LoadError {
    return this.#error('shell-quote', `The command ends after an open ${character}.`, 'Close it.');
  }

  #error(rule: string, message: string, mend: string): LoadError {
    return LoadError.of({ rule, file: this.place.file, pointer: this.place.pointer, message, mend });
  }
}
