export { encodeArgument, refuseArgument, type SubstitutionContext } from './encode.js';
export { SecureVariableLoader, type VariableSettings, type VariableSource } from './source.js';
export {
  type CallValues,
  type CompiledText,
  type CompileOptions,
  compileText,
  inputNames,
  substituteVariables,
  type TextPlace,
} from './template.js';
