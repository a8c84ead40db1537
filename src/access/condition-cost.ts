import type { ASTNode } from '@marcbachmann/cel-js';
import { linearMatch } from './condition-pattern.js';
import { childrenOf, loops, methodOf, walk } from './condition-tree.js';

/** What a condition's evaluation may cost, as far as its text tells. */
export interface ConditionCost {
  /**
   * How often the data is gone over for each item of the data: 0 and 1 are linear in what the caller sent, 2 is quadratic.
   */
  readonly depth: number;
  /** Makes items of text, so that text counts as items. */
  readonly splits: boolean;
}

/** The most depth that loads: beyond it a few hundred values would take seconds. */
export const maxDepth = 2;
/** Of a quadratic condition: items and members that are gone over, and characters, at most. */
const maxValues = 1000;
const maxCharacters = 16_384;

/** Reads a condition's cost off its tree. */
export function measureCost(tree: ASTNode): ConditionCost {
  return {
    depth: depthOf(tree, new Set(), false),
    splits: [...walk(tree)].some((node) => methodOf(node)?.name === 'split'),
  };
}

/** Whether these values are few enough for a condition of this cost. */
export function isAffordable({ depth, splits }: ConditionCost, values: readonly unknown[]): boolean {
  if (depth < 2) return true;
  const count = { values: 0, characters: 0 };
  for (const value of values) countInto(count, value);
  return count.characters <= maxCharacters && count.values + (splits ? count.characters : 0) <= maxValues;
}

// `items` are the variables of the loops around a node.
function depthOf(node: ASTNode, items: ReadonlySet<string>, inLoop: boolean): number {
  const call = methodOf(node);
  if (call && loops.includes(call.name) && call.args.length >= 2) {
    const [variable, ...body] = call.args;
    const within = variable?.op === 'id' ? new Set([...items, variable.args]) : items;
    const inner = Math.max(...body.map((part) => depthOf(part, within, true)));
    return Math.max(depthOf(call.receiver, items, inLoop), 1 + inner);
  }
  const below = Math.max(0, ...childrenOf(node).map((child) => depthOf(child, items, inLoop)));
  return inLoop ? Math.max(repeatedWork(node, items), below) : below;
}

// Inside a loop, an operation on the item alone is paid once over all items; one on other data is paid for each item.
// Equality stops at the first difference and looks at no more than the item has. A pattern is slower than a search by far.
function repeatedWork(node: ASTNode, items: ReadonlySet<string>): number {
  if (node.op === 'in') return node.args[1].op === 'list' || node.args[1].op === 'map' ? 0 : 1;
  const call = methodOf(node);
  if ((!call && node.op !== '+') || !mentionsOthers(node, items)) return 0;
  return call?.name === linearMatch ? 2 : 1;
}

function mentionsOthers(node: ASTNode, items: ReadonlySet<string>): boolean {
  return [...walk(node)].some((part) => part.op === 'id' && !items.has(part.args));
}

function countInto(count: { values: number; characters: number }, value: unknown): void {
  count.values++;
  if (typeof value === 'string') count.characters += value.length;
  if (typeof value !== 'object' || value === null) return;
  for (const member of Object.values(value)) countInto(count, member);
}
