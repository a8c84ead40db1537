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

// A message never quotes what it has found.
function checkTemplate({ template, template_pointer }: ToolSource, { report }: RuleContext): void {
  visitTexts(template, template_pointer, (text, pointer, name) => {
    const form = findCredentialForm(text);
    if (form !== undefined) report(pointer, `${name} holds ${form}.`);
    else if (isSecretName(name) && isLiteral(text)) report(pointer, `${name} is written out.`);
    else if (/^\w+:\/\/[^/@{}]+:[^/@{}]+@/.test(text)) report(pointer, `${name} holds a user name and password.`);
    else if (holdsRandomRun(text)) report(pointer, `${name} holds what looks like a generated secret.`);
  });
}
