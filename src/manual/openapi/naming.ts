import { createHash } from 'node:crypto';
import { toToolName } from '../name.js';
import type { Operation } from './operation.js';

/**
 * Names every operation: its `operationId`, else method and path. Names do not depend on the order of the document nor on
 * which operations are taken: where two ids come to one name, all but the one that is written so get method and path
 * behind it.
 */
export function nameOperations(operations: readonly Operation[]): ReadonlyMap<Operation, string> {
  const names = new Map(operations.map((operation) => [operation, firstName(operation)]));
  spread(names, ({ method, path, id }, name) => (id === name ? name : `${name}_${pathName(method, path)}`));
  // Two that still meet have the same id, or paths that differ in nothing that a name can hold.
  spread(names, ({ method, path }, name) => `${name}_${digest(`${method} ${path}`)}`);
  return names;
}

function firstName({ id, method, path }: Operation): string {
  return (id === undefined ? undefined : toToolName(id)) ?? pathName(method, path);
}

function pathName(method: string, path: string): string {
  const words = path
    .replace(/\{([^}]*)\}/g, 'by_$1')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
  return [method, ...(words.length > 0 ? words : ['root'])].join('_');
}

function spread(names: Map<Operation, string>, rename: (operation: Operation, name: string) => string): void {
  const owners = new Map<string, Operation[]>();
  for (const [operation, name] of names) owners.set(name, [...(owners.get(name) ?? []), operation]);
  for (const [name, meeting] of owners) {
    if (meeting.length < 2) continue;
    for (const operation of meeting) names.set(operation, rename(operation, name));
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 6);
}
