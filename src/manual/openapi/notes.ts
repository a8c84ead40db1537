import type { Findings } from '../findings.js';
import type { Operation } from './operation.js';

/** What became of one operation. */
export interface OperationReport {
  /** In upper case. */
  readonly method: string;
  readonly path: string;
  readonly operation_id: string | undefined;
  /** JSON pointer of the operation in the document. */
  readonly pointer: string;
  /** The tool that it became. */
  readonly tool: string | undefined;
  /** `partly`: the tool works without something that the operation has; `left_out`: it could not work at all. */
  readonly status: 'carried' | 'partly' | 'left_out' | 'excluded';
  /** What is missing, or why it was left out. */
  readonly problems: readonly string[];
}

/** Collects what cannot be carried of one operation, as findings and as its report. */
export class OperationNotes {
  readonly #problems: string[] = [];
  readonly #label: string;
  #leftOut = false;

  constructor(
    readonly operation: Operation,
    readonly findings: Findings,
  ) {
    this.#label = `${operation.method.toUpperCase()} ${operation.path}`;
  }

  get leftOut(): boolean {
    return this.#leftOut;
  }

  /** Something optional is not carried; the tool works without it. */
  drop(what: string, mend: string, pointer = ''): void {
    this.#problems.push(what);
    this.#add('openapi-operation-partial', what, mend, pointer);
  }

  /** The operation cannot become a tool that works. */
  leaveOut(what: string, mend: string, pointer = ''): void {
    this.#problems.push(what);
    this.#leftOut = true;
    this.#add('openapi-operation-left-out', what, mend, pointer);
  }

  /** Something is carried in another form; nothing is lost. */
  tell(rule: string, what: string, mend: string, pointer = ''): void {
    this.findings.add('info', rule, this.operation.pointer + pointer, `${this.#label}: ${what}.`, mend);
  }

  report(tool: string | undefined): OperationReport {
    const { method, path, id, pointer } = this.operation;
    const whole = this.#problems.length === 0 ? 'carried' : 'partly';
    return {
      method: method.toUpperCase(),
      path,
      operation_id: id,
      pointer,
      tool: this.#leftOut ? undefined : tool,
      status: this.#leftOut ? 'left_out' : whole,
      problems: this.#problems,
    };
  }

  #add(rule: string, what: string, mend: string, pointer: string): void {
    this.findings.add('warning', rule, this.operation.pointer + pointer, `${this.#label}: ${what}.`, mend);
  }
}
