export { buildCatalog, Catalog, type ConfiguredManual, forgetPlaces } from './catalog.js';
export { type ManualEntry, manualEntrySchema, toolSettingsSchema } from './config.js';
export { type Change, diffManuals, type ManualDiff } from './diff.js';
export { documentLimits, parseDocument, type SourceDocument } from './document.js';
export { type ArgumentForm, chooseForm } from './form.js';
export { findCredentials } from './lint/credential-rules.js';
export { fixText } from './lint/fix.js';
export { type LintReport, lintRules, lintText } from './lint/lint.js';
export type { LintFinding, LintOptions, Suppression } from './lint/rule.js';
export { toSarif } from './lint/sarif.js';
export { lintSource } from './lint/source.js';
export { readSuppressions } from './lint/suppression.js';
export { fileIo, isUrl, type LoadedManual, loadManual, type ManualIo, readSourceText } from './load.js';
export { toLocalManuals } from './local.js';
export { toToolName } from './name.js';
export {
  type ImportedOpenApi,
  importOpenApi,
} from './openapi/import.js';
export type { OperationReport } from './openapi/notes.js';
export { packManual } from './packed-manual.js';
export {
  type AuthForm,
  Publisher,
  utcpVersion,
  type ViewContent,
} from './publish.js';
export { normalizeSchema } from './schema.js';
export { type SearchQuery, ToolSearch, type Visibility } from './search/search.js';
export { type ContentCoding, type Representation, View } from './view.js';
