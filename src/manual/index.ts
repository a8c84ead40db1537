export { buildCatalog, Catalog, type CatalogManual, type ConfiguredManual } from './catalog.js';
export { type ManualEntry, manualEntrySchema, type ToolSettingsConfig, toolSettingsSchema } from './config.js';
export { type Change, type ChangeKind, diffManuals, type ManualDiff, type VersionStep } from './diff.js';
export { documentLimits, parseDocument, type SourceDocument } from './document.js';
export { type ArgumentForm, chooseForm, publishedTemplates, wrapInputs } from './form.js';
export { findCredentials } from './lint/credential-rules.js';
export { type FixedText, fixText } from './lint/fix.js';
export { type LintReport, lintManual, lintRules, lintText, type SuppressedFinding } from './lint/lint.js';
export type { Fix, LintFinding, LintOptions, Suppression } from './lint/rule.js';
export { toSarif } from './lint/sarif.js';
export { lintSource, type OpenApiSource } from './lint/source.js';
export { readSuppressions } from './lint/suppression.js';
export { fileIo, isUrl, type LoadedManual, loadManual, type ManualIo, readSourceText } from './load.js';
export { toLocalManuals } from './local.js';
export { toToolName } from './name.js';
export {
  type ImportedOpenApi,
  type ImportOptions,
  importOpenApi,
  importOpenApiDocument,
  isOpenApi,
} from './openapi/import.js';
export type { OperationReport } from './openapi/notes.js';
export {
  type AuthForm,
  Publisher,
  type PublisherOptions,
  utcpVersion,
  type ViewContent,
} from './publish.js';
export { normalizeSchema } from './schema.js';
export { type SearchQuery, ToolSearch, type Visibility } from './search/search.js';
export { type ContentCoding, type Representation, View } from './view.js';
