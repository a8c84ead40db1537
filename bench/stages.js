/**
 * The stages of a request as the ablation takes them out, each replaced by something that costs next to nothing. For
 * measuring alone: a server without a stage is no server.
 */
import { callAnswer } from './fixture.js';

const granted = { verdict: 'callable', reason: 'granted' };
const allowed = { allowed: true };
const answer = { body: Buffer.from(JSON.stringify(callAnswer)) };

const stages = {
  authenticate({ gate }) {
    const { authenticator } = gate.generation;
    const verify = authenticator.authenticate.bind(authenticator);
    let verdict;
    authenticator.authenticate = (presented) => {
      verdict ??= { ...verify(presented), fresh: false };
      return verdict;
    };
  },
  authorize({ gate }) {
    const { policy } = gate.generation;
    const find = policy.permissionSet.bind(policy);
    let set;
    policy.permissionSet = (principal, context) => {
      set ??= find(principal, context);
      return set;
    };
    policy.decide = () => granted;
  },
  limit({ gate }) {
    gate.limiter.take = () => allowed;
  },
  validate({ gate }) {
    for (const runtime of gate.generation.runtimes) runtime.validate = (args) => args;
  },
  'caps and breaker'({ gate }) {
    gate.caps.enter = () => ({ leave: () => undefined });
    for (const { breaker } of gate.generation.runtimes) {
      breaker.enter = () => 1;
      breaker.settle = () => undefined;
    }
  },
  'the tool itself'({ gate }) {
    for (const { prepared } of gate.generation.runtimes) if (prepared) prepared.call = () => answer;
  },
  'record: the event'({ gate }) {
    gate.sink.emit = () => undefined;
  },
  'record: metrics and anomalies'({ gate }) {
    gate.observe = undefined;
  },
};

export const stageNames = Object.keys(stages);

export function removeStage(server, name) {
  stages[name](server);
}
