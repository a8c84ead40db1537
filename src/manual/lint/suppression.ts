import { z } from 'zod';
import { type Finding, LoadError, toPointer } from '../../core/index.js';
import { parseDocument } from '../document.js';
import type { LintReport } from './lint.js';
import type { LintFinding, Suppression } from './rule.js';

const suppressionFile = z.strictObject({
  suppress: z.array(
    z.strictObject({
      rule: z.string().min(1),
      tool: z.string().min(1).optional(),
      pointer: z.string().startsWith('/').optional(),
      file: z.string().min(1).optional(),
      reason: z.string().trim().min(10, 'say in a sentence why the finding is acceptable'),
    }),
  ),
});

/** Reads a `.gatehouse-lint.yaml`. Throws LoadError: a suppression without a reason is refused. */
export function readSuppressions(text: string, file: string): readonly Suppression[] {
  const document = parseDocument(text, file);
  const parsed = suppressionFile.safeParse(document.value);
  if (parsed.success) return parsed.data.suppress;
  throw new LoadError(
    parsed.error.issues.map((issue): Finding => {
      const pointer = toPointer(...issue.path.map(String));
      const mend = 'Write suppress: a list of rule, tool, pointer or file, and reason.';
      const message = `${issue.path.join('.') || 'The file'}: ${issue.message}.`;
      return {
        rule: 'suppression-invalid',
        severity: 'error',
        file,
        pointer,
        line: document.lineOf(pointer),
        message,
        mend,
      };
    }),
  );
}

/** Takes the accepted findings out, and reports each suppression that accepts nothing. */
export function suppress(
  findings: readonly LintFinding[],
  suppressions: readonly Suppression[],
  file: string,
  complete: (finding: Finding) => LintFinding,
): LintReport {
  const used = new Set<Suppression>();
  const kept: LintFinding[] = [];
  const suppressed: LintReport['suppressed'][number][] = [];
  for (const finding of findings) {
    const match = suppressions.find((suppression) => accepts(suppression, finding));
    if (!match) {
      kept.push(finding);
      continue;
    }
    used.add(match);
    suppressed.push({ finding, reason: match.reason });
  }
  const unused = suppressions.filter((suppression) => !used.has(suppression));
  const reported = unused.map(({ rule, tool, pointer }) => {
    const place = [tool, pointer].filter((part) => part !== undefined).join(' ');
    const message = `The suppression of ${rule}${place ? ` at ${place}` : ''} fits no finding.`;
    return complete({
      rule: 'suppression-unused',
      severity: 'warning',
      file,
      pointer: '',
      message,
      mend: 'Remove it.',
    });
  });
  return { findings: [...kept, ...reported], suppressed };
}

function accepts({ rule, tool, pointer }: Suppression, finding: LintFinding): boolean {
  if (rule !== finding.rule || (tool !== undefined && tool !== finding.tool)) return false;
  // Below a tool a pointer may leave the tool's place out, which changes with every tool that is added before it.
  const within = tool === undefined ? finding.pointer : finding.pointer.replace(/^\/tools\/\d+/, '');
  return pointer === undefined || within === pointer || within.startsWith(`${pointer}/`);
}
