export { type AccessContext, type Condition, compileCondition } from './condition.js';
export { type PolicyConfig, policySchema, type RoleConfig } from './config.js';
export { type Explanation, explainDecision, type RoleExplanation } from './explain.js';
export {
  type Decision,
  type DecisionReason,
  type PermissionSet,
  Policy,
  type PolicyTool,
  type Verdict,
} from './policy.js';
