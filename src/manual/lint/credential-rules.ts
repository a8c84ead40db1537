import type { JsonObject } from '../../core/index.js';
import { findCredentialForm, holdsRandomRun, isLiteral, isSecretName } from './credential.js';
import type { Rule, RuleContext, ToolSource } from './rule.js';
import { textsOf, visitTexts } from './walk.js';

export const credentialRules: readonly Rule[] = [
  {
    id: 'hardcoded-credential',
    severity: 'error',
    why: 'Whoever may read the manual, its repository or its history has the credential.',
    mend: 'Revoke it, and write ${API_…} in its place.',
    check: (context) => {
      for (const source of context.tools) {
        checkTemplate(source, context);
        for (const { text, pointer } of textsOf(source)) {
          const form = findCredentialForm(text);
          if (form !== undefined) context.report(pointer, `The text holds ${form}.`);
        }
      }
    },
  },
];

function checkTemplate({ template, template_pointer }: ToolSource, { report }: RuleContext): void {
  for (const { pointer, message } of findCredentials(template, template_pointer)) report(pointer, message);
}

/** Credentials that are written out in a call template or an `auth`; a message never quotes what it has found. */
export function findCredentials(
  template: JsonObject,
  at = '',
): readonly { readonly pointer: string; readonly message: string }[] {
  const found: { pointer: string; message: string }[] = [];
  visitTexts(template, at, (text, pointer, name) => {
    const message = describeCredential(text, name);
    if (message !== undefined) found.push({ pointer, message });
  });
  return found;
}

function describeCredential(text: string, name: string): string | undefined {
  const form = findCredentialForm(text);
  if (form !== undefined) return `${name} holds ${form}.`;
  if (isSecretName(name) && isLiteral(text)) return `${name} is written out.`;
  if (/^\w+:\/\/[^/@{}]+:[^/@{}]+@/.test(text)) return `${name} holds a user name and password.`;
  return holdsRandomRun(text) ? `${name} holds what looks like a generated secret.` : undefined;
}
