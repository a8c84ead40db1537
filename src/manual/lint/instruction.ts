import { removeInvisible } from './text.js';

/** Ways in which poisoned descriptions address the agent instead of describing the tool. */
const instructions: readonly (readonly [what: string, form: RegExp])[] = [
  [
    'tells the reader to ignore instructions',
    /\b(?:ignore|disregard|forget|override|bypass)\b(?:(?!\bwhen\b)[^.\n]){0,40}\b(?:previous|prior|above|earlier|preceding|all|any|other|system|safety)\b[^.\n]{0,40}\b(?:instruction|prompt|rule|message|direction|guideline|polic)/i,
  ],
  [
    'asks to keep something from the user',
    /\b(?:do not|don't|never|must not|without)\b[^.\n]{0,20}\b(?:tell|telling|inform|informing|mention|mentioning|reveal|show|notify|notifying|alert|ask|asking)\b[^.\n]{0,30}\b(?:the user|users?|the human|the operator|anyone)\b/i,
  ],
  [
    'carries a tag that addresses a model',
    /<\s*\/?\s*(?:important|system|instructions?|assistant|secret|hidden|admin|tool_?call)\s*>/i,
  ],
  ['speaks of the system prompt', /\b(?:system|developer) prompts?\b|\byour (?:system|developer) messages?\b/i],
  [
    'orders calls of other tools',
    /\b(?:before|after|instead of|prior to|whenever|when)\b[^.\n]{0,15}\b(?:using|calling|invoking|running|you (?:use|call|invoke|run))\b[^.\n]{0,30}\b(?:tools?|functions?)\b[^.\n]{0,60}\b(?:call|invoke|read|send|run|use|pass|include|fetch|execute|you (?:must|should|need))\b/i,
  ],
  [
    'orders the agent about',
    /\byou (?:must|should|have to|need to|are required to) (?:always|first|also|now|secretly|silently) (?:call|invoke|read|send|include(?! at least)|pass|execute|forward|append|repeat)\b/i,
  ],
  [
    'asks for files that hold secrets',
    /\b(?:reads?|opens?|cat|loads?|access|fetch|includes?|sends?|contents? of)\b[^\n]{0,40}(?:~\/|\/etc\/(?:passwd|shadow)|\.ssh\b|id_rsa|\.aws\b|\.env\b|mcp\.json|\.netrc)/i,
  ],
  [
    'asks to send away what is private',
    /\b(?:send|forward|upload|exfiltrate|leak|bcc|append|attach|post)\b[^.\n]{0,60}\b(?:conversation|chat history|chat log|your (?:instructions|context|memory)|(?:user'?s?|all|any) (?:passwords?|secrets?|credentials|api keys?|messages))\b/i,
  ],
  ['casts the reader in a role', /\b(?:you are now|act as|pretend (?:to be|you|that you)|from now on,? you)\b/i],
  ['speaks of attacks on models', /\b(?:jailbreak|prompt injection)\b/i],
  [
    'tells the reader to forget',
    /\bforget (?:everything|all|what)\b[^.\n]{0,30}\b(?:told|instructed|know|before|above|said)\b/i,
  ],
  ['addresses a model', /(?:^|[.!?\n] ?)(?:SYSTEM|ASSISTANT|AI) ?:|\[\/?(?:system|inst|assistant)\]|<<SYS>>/i],
  [
    'addresses a model',
    /\b(?:notes?|messages?|instructions?|reminder)\b[^.\n]{0,12}\b(?:to|for) (?:the |any |all )?(?:ai|llm|assistant|model|chatbot|language model)s?\b/i,
  ],
  [
    'puts itself before other tools',
    /\b(?:must|should|always)\b[^.\n]{0,10}\b(?:call|run|use|invoke)(?:ed|d)?\b[^.\n]{0,20}\b(?:before|first|instead of|rather than)\b[^.\n]{0,15}\b(?:any|every|all)(?: other)? (?:tools?|functions?)\b|\binstead of (?:any|every|all)(?: other)? (?:tools?|functions?)\b/i,
  ],
  [
    'adds to what the user asks for',
    /\bwhen(?:ever)? (?:the|a) user (?:asks|requests|wants|says)\b[^.\n]{0,60}\b(?:also|always|first|instead)\b[^.\n]{0,20}\b(?:call|send|invoke|run|read|use)\b/i,
  ],
  [
    'asks for something in secret',
    /\b(?:silently|secretly|covertly|stealthily) (?:upload|send|forward|copy|post|e?mail)|\bexfiltrat|\b(?:do not|don't|never|without) (?:mention|reveal|disclose)(?:ing)? (?:this|these) (?:tool|instruction|step|note|message)/i,
  ],
  [
    'asks for credentials of the reader',
    /\b(?:include|pass|put|append|attach|send)\b[^.\n]{0,30}\b(?:api keys?|passwords?|secrets?|credentials|tokens?)\b[^.\n]{0,20}\b(?:from|of|in) (?:the|your) (?:environment|context|memory|conversation)\b/i,
  ],
  [
    'sends the reader for more instructions',
    /\b(?:fetch|open|visit|load|read)\b[^\n]{0,80}\b(?:and|then) (?:follow|obey)\b/i,
  ],
];

/** How a text addresses an agent, after what is invisible is gone and look-alike forms are one; undefined when it does not. */
export function findInstruction(text: string): string | undefined {
  const plain = removeInvisible(text).normalize('NFKC').replace(/\s+/g, ' ');
  return instructions.find(([, form]) => form.test(plain))?.[0];
}
