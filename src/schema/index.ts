export { createSchemaCompiler, type SchemaCompiler, type Validator } from './compiler.js';
export { countValues, maxDepth } from './measure.js';
export { compilePattern } from './pattern.js';
export { createSanitizer, type Sanitizer } from './sanitizer.js';
export { sanitizeKeyword } from './structure.js';
