import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Tool } from '../../../src/core/index.js';
import {
  buildCatalog,
  loadManual,
  manualEntrySchema,
  type SearchQuery,
  ToolSearch,
} from '../../../src/manual/index.js';
import { toQueryTerms, toTerms } from '../../../src/manual/search/terms.js';
import { missingSharedData, sharedDocument, skipSharedData } from '../../support/shared-data.js';
import { createTool } from '../../support/tool.js';

const wide = 64_000_000;
const everything = { key: 'all', isVisible: () => true };

async function find(tools: readonly Tool[], query: Partial<SearchQuery>, manual?: string): Promise<readonly string[]> {
  const search = new ToolSearch(tools, wide);
  const found = await search.find(everything, manual, { text: undefined, tag: undefined, limit: undefined, ...query });
  return found.map(({ name }) => name);
}

const described = (property: string, description: string) => ({
  type: 'object',
  properties: { [property]: { type: 'string', description } },
});
const shop = [
  createTool('shop', 'list_books', 0, { description: 'Lists what is on the shelves.', tags: ['read'] }),
  createTool('shop', 'createOrder', 1, { description: 'Orders copies for a customer.', tags: ['write'] }),
  createTool('shop', 'cancel_order', 2, { description: 'Takes it back, books and all.', tags: ['write'] }),
  createTool('shop', 'ship', 3, { inputs: described('zip_code', 'Where the parcel goes'), tags: ['write'] }),
  createTool('café', 'reserve_table', 4, { description: 'Reserves a table at the Café Zürich.', tags: ['write'] }),
];

describe('a search', () => {
  it.each([
    ['a name above a description', 'books', ['list_books', 'cancel_order']],
    ['a name written together', 'create order', ['createOrder', 'cancel_order']],
    ['singular and plural alike', 'book', ['list_books', 'cancel_order']],
    ['what arguments are called and described by', 'parcel zip', ['ship']],
    ['case and accents alike', 'ZURICH CAFE', ['reserve_table']],
    ['the beginning of a word', 'reserv', ['reserve_table']],
    ['a misspelt word', 'cutsomer', ['createOrder']],
    ['tags', 'write', ['createOrder', 'cancel_order', 'ship', 'reserve_table']],
    [
      'words that matter, whatever stands around them',
      'could you please cancel my order for me',
      ['cancel_order', 'createOrder'],
    ],
    ['nothing where nothing fits', 'xylophone', []],
    ['nothing where no word matters', 'to the of', []],
    ['nothing where there is no word', '?!', []],
  ])('finds %s', async (_what, text, names) => {
    expect(await find(shop, { text })).toEqual(names);
  });

  it('by tag alone keeps the catalog’s order; a tag is taken exactly', async () => {
    expect(await find(shop, { tag: 'write' })).toEqual(['createOrder', 'cancel_order', 'ship', 'reserve_table']);
    expect(await find(shop, { tag: 'writ' })).toEqual([]);
  });

  it('by words, tag, manual and limit gives what fits all of them', async () => {
    expect(await find(shop, { text: 'order books', tag: 'write' })).toEqual(['cancel_order', 'createOrder']);
    expect(await find(shop, { text: 'table order', limit: 1 })).toHaveLength(1);
    expect(await find(shop, { text: 'table order' }, 'café')).toEqual(['reserve_table']);
    expect(await find(shop, { limit: 2 })).toEqual(['list_books', 'createOrder']);
  });

  it('weighs rare words where common ones stand almost everywhere', async () => {
    const tools = Array.from({ length: 6000 }, (_, index) =>
      createTool('m', `common_${index}`, index, { description: index === 4321 ? 'A rare thing.' : 'A thing.' }),
    );
    const found = await find(tools, { text: 'common rare thing', limit: 3 });
    expect(found).toEqual(['common_4321']);
    expect(await find(tools, { text: 'thing', limit: 3 })).toEqual(['common_0', 'common_1', 'common_2']);
  });

  it('takes an unknown word for the few nearest, however many begin with it', async () => {
    const tools = Array.from({ length: 300 }, (_, index) => createTool('m', `word${'x'.repeat(index % 60)}`, index));
    const found = await find(tools, { text: 'wor' });
    expect(found[0]).toBe('word');
    expect(new Set(found).size).toBe(8);
  });

  it('takes names apart and knows plurals', () => {
    expect(toTerms('getHTTPCategories, boxes; address2_Status')).toEqual(
      'get httpcategory box address2 status'.split(' '),
    );
    expect(toQueryTerms('a '.repeat(100) + 'b '.repeat(100))).toEqual(['b']);
    expect(toQueryTerms(Array.from({ length: 100 }, (_, index) => `w${index}`).join(' '))).toHaveLength(16);
  });
});

describe.skipIf(skipSharedData)(`a search of GitHub’s API (${missingSharedData})`, () => {
  it.each([
    ['create an issue', 'issues_create'],
    ['merge a pull request', 'pulls_merge'],
    ['delete a webhook', 'repos_delete_webhook'],
    ['star a repository', 'activity_star_repo_for_authenticated_user'],
    ['read the contents of a file', 'repos_get_content'],
    ['label an issue', 'issues_add_labels'],
    ['block somebody in my organization', 'orgs_block_user'],
    ['upload a release asset', 'repos_upload_release_asset'],
    ['protect a branch', 'repos_update_branch_protection'],
    ['secret scaning alerts', 'secret_scanning_list_alerts_for_repo'],
    ['repo colaborators', 'repos_list_collaborators'],
    ['rate limit', 'rate_limit_get'],
  ])('“%s” has %s among its first ten of more than a thousand', async (text, name) => {
    const { search, size } = await github();
    const found = await search.find(everything, undefined, { text, tag: undefined, limit: 10 });
    expect(size).toBeGreaterThan(1000);
    expect(found.map((tool) => tool.name)).toContain(name);
  });
});

let loaded: Promise<{ search: ToolSearch; size: number }> | undefined;
function github() {
  loaded ??= (async () => {
    const entry = manualEntrySchema.parse({ name: 'github', source: sharedDocument('github-rest.openapi.json') });
    const { tools } = buildCatalog([{ ...(await loadManual(entry, '/')), entry }]);
    return { search: new ToolSearch(tools, wide), size: tools.length };
  })();
  return loaded;
}

const word = fc.constantFrom('book', 'order', 'list', 'create', 'customer', 'thing', 'rare', 'ship');
const words = fc.array(word, { minLength: 1, maxLength: 5 });
const anyTool = fc.record({
  name: words,
  description: words,
  tags: fc.subarray(['read', 'write']),
  manual: fc.constantFrom('one', 'two'),
  visible: fc.boolean(),
});
const anyQuery = fc.record({
  text: fc.option(
    words.map((list) => list.join(' ')),
    { nil: undefined },
  ),
  tag: fc.option(fc.constantFrom('read', 'write'), { nil: undefined }),
  limit: fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined }),
});

describe('what a caller does not see', () => {
  it('changes neither what a search finds nor its order', async () => {
    const manuals = fc.option(fc.constantFrom('one', 'two'), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(fc.array(anyTool, { maxLength: 30 }), anyQuery, manuals, async (made, query, manual) => {
        const create = ({ name, description, tags, manual: of }: (typeof made)[number], index: number) =>
          createTool(of, name.join('_'), index, { description: description.join(' '), tags });
        const all = made.map(create);
        const pruned = made.filter(({ visible }) => visible).map(create);
        const visibility = { key: 'some', isVisible: ({ index }: { index: number }) => made[index]?.visible === true };
        const seen = new ToolSearch(all, wide);
        const alone = new ToolSearch(pruned, wide);
        const describe = ({ id, description }: Tool) => `${id} ${description}`;
        const found = (await seen.find(visibility, manual, query)).map(describe);
        expect(found).toEqual((await alone.find(everything, manual, query)).map(describe));
        expect(seen.kept).toEqual(alone.kept);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the indexes', () => {
  const text = 'x'.repeat(1000);
  const tools = Array.from({ length: 64 }, (_, index) =>
    createTool('m', `tool_${index}`, index, { description: text }),
  );
  const query = { text: 'tool', tag: undefined, limit: undefined };
  const only = (place: number) => ({ key: `only ${place}`, isVisible: ({ index }: Tool) => index === place });

  it('are made when they are first searched, and shared by callers with other rights who see the same', async () => {
    const search = new ToolSearch(tools, wide);
    await search.find(everything, undefined, { ...query, text: undefined });
    expect(search.kept).toEqual({ indexes: 0, bytes: 0 });
    await Promise.all(['a', 'b', 'c'].map((key) => search.find({ key, isVisible: () => true }, undefined, query)));
    expect(search.kept.indexes).toBe(1);
  });

  it('hold no more than they may, whoever searches, and answer all the same', async () => {
    const search = new ToolSearch(tools, 50_000);
    for (const place of [...tools.keys(), 0, 63]) {
      expect(await search.find(only(place), undefined, query)).toEqual([tools[place]]);
      expect(search.kept.bytes).toBeLessThanOrEqual(50_000);
    }
    expect(search.kept.indexes).toBeGreaterThan(3);
  });

  it('keep one that is larger than they may hold, and no other beside it', async () => {
    const search = new ToolSearch(tools, 1000);
    await search.find(only(1), undefined, query);
    expect(await search.find(everything, undefined, query)).toHaveLength(64);
    expect(search.kept.indexes).toBe(1);
  });

  it('let others have their turn while they are made', async () => {
    const many = Array.from({ length: 5000 }, (_, index) => createTool('m', `tool_${index}`, index));
    let turns = 0;
    const count = () => {
      turns++;
      immediate = setImmediate(count);
    };
    let immediate = setImmediate(count);
    await new ToolSearch(many, wide).find(everything, undefined, query);
    clearImmediate(immediate);
    expect(turns).toBeGreaterThan(20);
  });
});
