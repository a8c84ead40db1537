import type { ASTNode } from '@marcbachmann/cel-js';

/** Macros that go over a list, and bind a variable to each of its items. */
export const loops: readonly string[] = ['all', 'exists', 'exists_one', 'filter', 'map'];

/** A call of a method: its name, what it is called on, its arguments. */
export interface MethodCall {
  readonly name: string;
  readonly receiver: ASTNode;
  readonly args: readonly ASTNode[];
}

/** The method call that a node is; undefined for every other node. */
export function methodOf(node: ASTNode): MethodCall | undefined {
  if (node.op !== 'rcall') return undefined;
  const [name, receiver, args] = node.args;
  return { name, receiver, args };
}

/** The nodes right below one, in the order of the text. */
export function childrenOf(node: ASTNode): readonly ASTNode[] {
  return [node.args].flat(3).filter(isNode);
}

/** The node and all below it. */
export function* walk(node: ASTNode): Generator<ASTNode> {
  yield node;
  for (const child of childrenOf(node)) yield* walk(child);
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}
