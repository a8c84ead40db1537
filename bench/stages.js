/**
 * The stages of a request as the ablation takes them out, each replaced by something that costs next to nothing. For
 * measuring alone: a server without a stage is no server.
 */
const stages = {
  authenticate({ gate }) {
    const { authenticator } = gate.generation;
    let verdict;
    const real = authenticator.authenticate.bind(authenticator);
    authenticator.authenticate = (presented) => {
      verdict ??= real(presented);
      return { ...verdict, fresh: false };
    };
  },
  authorize({ gate }) {
    const { policy } = gate.generation;
    let set;
    const findSet = policy.permissionSet.bind(policy);
    policy.permissionSet = (principal, context) => {
      set ??= findSet(principal, context);
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
  event({ gate }) {
    gate.sink.emit = () => undefined;
  },
  metrics({ gate }) {
    gate.observe = undefined;
  },
};

const granted = { verdict: 'callable', reason: 'granted' };
const allowed = { allowed: true };

export const stageNames = Object.keys(stages);

export function removeStage(server, name) {
  stages[name](server);
}
