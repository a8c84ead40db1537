export { compileCondition } from './condition.js';
export { policySchema } from './config.js';
export { explainDecision } from './explain.js';
export {
  type Decision,
  type PermissionSet,
  Policy,
} from './policy.js';
