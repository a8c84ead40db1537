/** Forms that issuers give their secrets, so that they can be told from other text. */
const forms: readonly (readonly [kind: string, form: RegExp])[] = [
  ['an AWS access key', /\b(?:AKIA|ASIA|AROA)[0-9A-Z]{16}\b/],
  ['a GitHub token', /\b(?:gh[pousr]_[0-9A-Za-z]{36,}|github_pat_[0-9A-Za-z_]{50,})/],
  ['a GitLab token', /\bglpat-[0-9A-Za-z_-]{20,}/],
  ['a Slack token', /\bxox[abeoprs]-[0-9A-Za-z-]{10,}/],
  ['a Slack webhook', /hooks\.slack\.com\/services\/T[0-9A-Z]+\/B[0-9A-Z]+\/[0-9A-Za-z]{20,}/],
  ['a Stripe key', /\b(?:sk|rk)_(?:live|test)_[0-9A-Za-z]{16,}/],
  ['a Google API key', /\bAIza[0-9A-Za-z_-]{35}\b/],
  ['an npm token', /\bnpm_[0-9A-Za-z]{36}\b/],
  ['a SendGrid key', /\bSG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}/],
  ['an API key', /\bsk-(?:[a-z]+-)?[0-9A-Za-z_-]{20,}/],
  ['a JSON web token', /\beyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]*/],
  ['a private key', /-----BEGIN [A-Z ]*PRIVATE KEY-----/],
  ['an Azure storage key', /\bAccountKey=[0-9A-Za-z+/=]{40,}/],
  ['a bearer token', /\b[Bb]earer +(?=\S*\d)[0-9A-Za-z._~+/-]{16,}=*/],
];

const secretName =
  /pass(?:word|wd|phrase)?$|secret|(?:^|[_-])pwd$|token$|(?:api|access|private|signing)[_-]?key|^authorization$|credential/i;
const innocent = /^(?:|x+|\*+|<[^>]*>|\[[^\]]*\]|change-?me|example|your[_-].*|none|null|true|false|bearer|basic)$/i;

/** What a text holds that has the form of a known issuer's secret; undefined when nothing has. */
export function findCredentialForm(text: string): string | undefined {
  return forms.find(([, form]) => form.test(text))?.[0] ?? findBasic(text);
}

// RFC 7617: base64 of a name, a colon and a password; "Basic authentication" is none.
function findBasic(text: string): string | undefined {
  const [, encoded = ''] = /\b[Bb]asic +([0-9A-Za-z+/]{8,}={0,2})(?![0-9A-Za-z])/.exec(text) ?? [];
  const bytes = Buffer.from(encoded, 'base64');
  const isWhole = bytes.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '');
  return isWhole && /^[\x20-\x7e]+:[\x20-\x7e]*$/.test(bytes.toString('latin1')) ? 'basic credentials' : undefined;
}

/** Says whether a member of this name holds a secret. */
export function isSecretName(name: string): boolean {
  return secretName.test(name) && !/(?:url|uri|endpoint|var_name|max_tokens|_type)$/i.test(name);
}

/** Says whether a text is written out instead of standing for a variable or an example. */
export function isLiteral(text: string): boolean {
  const rest = text.replace(/\$?\{\w+\}|\$[A-Za-z_]\w*/g, '').replace(/^\s*(?:bearer|basic|token)\s*$/i, '');
  return !innocent.test(rest.trim());
}

/**
 * Says whether a text holds a run as random as a generated secret: 24 characters or more of letters and digits mixed, with
 * at least 3.8 bits of entropy each (hexadecimal: 32 characters, 3.2 bits). Identifiers in words stay far below.
 */
export function holdsRandomRun(text: string): boolean {
  const runs = text.replace(/\$?\{\w+\}/g, ' ').match(/[0-9A-Za-z+/=_-]{24,}/g) ?? [];
  return runs.flatMap((run) => run.split('/')).some(isRandom);
}

function isRandom(run: string): boolean {
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-/i.test(run) || !/[0-9]/.test(run) || !/[A-Za-z]/.test(run)) return false;
  if (/^[0-9a-f]+$/i.test(run)) return run.length >= 32 && entropy(run) >= 3.2;
  // Words and dates joined by hyphens or underscores change from letters to digits once or twice, a secret all the time.
  const changes = run.match(/[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])|[a-z](?=[A-Z])|[A-Z](?=[a-z])/g)?.length ?? 0;
  return run.length >= 24 && entropy(run) >= 3.8 && changes >= 6 && /[0-9][A-Za-z]|[A-Za-z][0-9]/.test(run);
}

/** Bits for each character (Shannon), by how often each stands in the text. */
function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
