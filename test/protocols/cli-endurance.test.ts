import { afterAll, expect, it } from 'vitest';
import { CallScope, GatehouseError, type PreparedCall } from '../../src/core/index.js';
import { inputsOf } from '../support/binding.js';
import { childProcesses, eventually, openDescriptors, processesWith } from '../support/processes.js';
import { createTestProtocols } from '../support/protocol.js';
import { describeWithProgram } from '../support/requirement.js';

const marker = `51.${process.pid}`;
const minutes = 60_000;
const protocols = createTestProtocols();
afterAll(() => protocols.close());

/** Calls so that it ends well, in a refusal, a failure, a timeout or an abort, by turns; gives how it ended. */
async function callByTurns(turn: number): Promise<string> {
  const scope = new CallScope(`request-${turn}`, 5 * minutes, 'alice');
  const running = chooseTool(turn).call({ word: turn % 20 === 11 ? '-refused' : 'word' }, scope);
  if (turn % 20 === 13) setTimeout(() => scope.cancel('client_aborted'), 5);
  return running.then(
    () => 'done',
    (error: unknown) => (error instanceof GatehouseError ? error.code : String(error)),
  );
}

const tools = new Map<string, PreparedCall>();

function chooseTool(turn: number): PreparedCall {
  if (turn % 20 === 3) return prepareOnce('/usr/bin/sleep', [marker], 0.1);
  return turn % 20 === 7 ? prepareOnce('/usr/bin/false', [], 300) : prepareOnce('/usr/bin/echo', ['{word}'], 300);
}

function prepareOnce(command: string, args: readonly string[], timeout: number): PreparedCall {
  const tool = tools.get(command) ?? prepare(command, args, timeout);
  tools.set(command, tool);
  return tool;
}

function prepare(command: string, args: readonly string[], timeout: number): PreparedCall {
  const template = { call_template_type: 'cli', command, args, timeout };
  return protocols.prepare(template, { inputs: inputsOf('word'), timeout_ms: 5 * minutes });
}

function processHandles(): readonly string[] {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'ProcessWrap');
}

async function expectNothingLeft(descriptors: number): Promise<void> {
  expect(
    await eventually(
      () => processesWith(marker),
      (left) => left.length === 0,
    ),
  ).toEqual([]);
  expect(await eventually(childProcesses, (left) => left.length === 0)).toEqual([]);
  expect(await eventually(openDescriptors, (open) => open <= descriptors)).toBeLessThanOrEqual(descriptors);
  expect(await eventually(processHandles, (open) => open.length === 0)).toEqual([]);
}

describeWithProgram('bwrap', 'the cli protocol', () => {
  it('leaves no process, zombie or descriptor behind after 1,000 calls in a row', {
    timeout: 5 * minutes,
  }, async () => {
    await callByTurns(0);
    const before = openDescriptors();
    const codes = new Map<string, number>();
    for (let turn = 0; turn < 1000; turn += 1) {
      const code = await callByTurns(turn);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect(codes.get('upstream_timeout')).toBe(50);
    expect(codes.get('upstream_failed')).toBe(50);
    expect(codes.get('invalid_input')).toBe(50);
    expect(codes.get('done')).toBeGreaterThanOrEqual(800);
    await expectNothingLeft(before);
  });

  it('leaves no process, zombie or descriptor behind after 200 calls at once', { timeout: 5 * minutes }, async () => {
    await callByTurns(0);
    const before = openDescriptors();
    const codes = await Promise.all(Array.from({ length: 200 }, (_, turn) => callByTurns(turn)));
    expect(codes.filter((code) => code === 'done').length).toBeGreaterThanOrEqual(160);
    await expectNothingLeft(before);
  });
});
