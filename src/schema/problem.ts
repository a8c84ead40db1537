import type { ErrorObject } from 'ajv';
import { escapePointer, type InputError } from '../core/index.js';

/** How many problems of one value are told; a hostile body must not buy a long answer. */
const maxErrors = 100;
/** Longest pointer that is told, in characters: member names are the sender's own. */
const maxPointerLength = 300;

/** Ajv's errors as JSON pointers into the value and messages; none repeats a value that was sent. */
export function describeErrors(errors: readonly ErrorObject[]): readonly InputError[] {
  return errors.slice(0, maxErrors).map(describeError);
}

function describeError(error: ErrorObject): InputError {
  const [member, message] = describeProblem(error);
  const pointer = member === undefined ? error.instancePath : `${error.instancePath}/${escapePointer(member)}`;
  return { pointer: pointer.slice(0, maxPointerLength), message };
}

function describeProblem(error: ErrorObject): readonly [member: string | undefined, message: string] {
  const params: Readonly<Record<string, unknown>> = error.params;
  switch (error.keyword) {
    case 'required':
    case 'dependentRequired':
    case 'dependencies':
      return [asText(params.missingProperty), 'is required'];
    case 'additionalProperties':
      return [asText(params.additionalProperty), 'is not a known property'];
    case 'unevaluatedProperties':
      return [asText(params.unevaluatedProperty), 'is not a known property'];
    case 'uniqueItems':
      return [undefined, 'must not have two equal items'];
    case 'false schema':
      return [undefined, 'must not be present'];
    default:
      return [undefined, error.message ?? `does not fit "${error.keyword}"`];
  }
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
