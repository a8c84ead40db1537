import { it } from 'vitest';
import { buildSources } from '../support/build.js';
import { followGuide } from '../support/guide.js';
import { describeWithProgram } from '../support/requirement.js';

describeWithProgram('curl', 'a reader who does what a guide says', () => {
  const build = buildSources();

  it('rotates a key without a gap', () => followGuide('docs/guides/rotate-a-key.md', build), 60_000);

  it('gives an agent read-only access', () => followGuide('docs/guides/read-only-agent.md', build), 60_000);
});
