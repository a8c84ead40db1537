export { SecureVariableLoader, type VariableSettings, type VariableSource } from './source.js';
export {
  type CompiledText,
  type CompileOptions,
  compileText,
  encodeArgument,
  inputNames,
  type SubstitutionContext,
} from './template.js';
