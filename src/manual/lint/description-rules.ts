import { findInstruction } from './instruction.js';
import type { Rule } from './rule.js';
import { findHidden, findInvisible, findLink, hasMixedScript, removeInvisible } from './text.js';
import { inputsOf, textsOf } from './walk.js';

export const descriptionRules: readonly Rule[] = [
  {
    id: 'hidden-instruction',
    severity: 'error',
    why: 'An agent obeys what stands in a description; a poisoned one makes it call, read or send what nobody asked for.',
    mend: 'Say what the tool does, and nothing of what an agent should do besides.',
    check: ({ tools, report }) => {
      for (const source of tools) {
        for (const { text, pointer } of textsOf(source)) {
          const problem = findInstruction(text) ?? findHidden(text);
          if (problem !== undefined) report(pointer, `The text ${problem}.`);
        }
      }
    },
  },
  {
    id: 'invisible-unicode',
    severity: 'error',
    why: 'Characters that no reviewer sees are read by an agent all the same.',
    mend: 'Remove them.',
    check: ({ tools, report }) => {
      for (const source of tools) {
        const texts = [{ text: source.name, pointer: `${source.pointer}/name` }, ...textsOf(source)];
        for (const { text, pointer } of texts) {
          const found = findInvisible(text);
          if (found === undefined) continue;
          report(pointer, `The text holds ${found}, which nobody sees.`, {
            fix: { pointer, value: removeInvisible(text) },
          });
        }
      }
    },
  },
  {
    id: 'homoglyph',
    severity: 'error',
    why: 'Letters of another script that look alike let one name pass for another.',
    mend: 'Write names, and each word, in one script.',
    check: ({ tools, report }) => {
      for (const source of tools) {
        const names = [
          { text: source.name, pointer: `${source.pointer}/name` },
          ...Object.keys(inputsOf(source)).map((text) => ({ text, pointer: `${source.pointer}/inputs/properties` })),
        ];
        for (const { text, pointer } of names) {
          if (/[^\p{ASCII}]/u.test(text)) report(pointer, `The name ${JSON.stringify(text)} has letters beyond ASCII.`);
        }
        for (const { text, pointer } of textsOf(source)) {
          if (hasMixedScript(text)) report(pointer, 'A word mixes letters of two scripts.', { severity: 'warning' });
        }
      }
    },
  },
  {
    id: 'name-confusable',
    severity: 'warning',
    why: 'Two tools whose names look alike are taken for each other, by people and by agents.',
    mend: 'Rename one of the two.',
    check: ({ tools, report }) => {
      const first = new Map<string, string>();
      for (const { name, pointer } of tools) {
        const shape = skeleton(name);
        const other = first.get(shape);
        if (other !== undefined && other !== name) report(`${pointer}/name`, `${name} looks like ${other}.`);
        first.set(shape, other ?? name);
      }
    },
  },
  {
    id: 'description-link',
    severity: 'info',
    why: 'An agent may follow a link, and an image of one leaks what the agent writes into its address.',
    mend: 'Leave links out of descriptions, or keep those to the API’s own documentation.',
    check: ({ tools, report }) => {
      for (const source of tools) {
        for (const { text, pointer } of textsOf(source)) {
          const link = findLink(text);
          if (!link) continue;
          // An example of a file's URL is data, which nothing follows; an image is shown wherever it stands.
          const isData = /\/(?:examples\/\d+|enum\/\d+|default|const)(?:\/|$)/.test(pointer);
          const fix = link.without === undefined ? {} : { fix: { pointer, value: link.without } };
          const isActive = link.active && !(isData && /^a (?:file|data):/.test(link.what));
          report(pointer, `The text holds ${link.what}.`, isActive ? { severity: 'error', ...fix } : {});
        }
      }
    },
  },
];

function skeleton(name: string): string {
  return name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/rn/g, 'm')
    .replace(/vv/g, 'w')
    .replace(/[1i|]/g, 'l')
    .replace(/0/g, 'o')
    .replace(/5/g, 's')
    .replace(/[_-]/g, '');
}
