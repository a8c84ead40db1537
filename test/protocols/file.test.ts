import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LoadError } from '../../src/core/index.js';
import { inputsOf } from '../support/binding.js';
import { readExampleEntries, readExampleTools } from '../support/page.js';
import { callTool, createTestProtocols, failTool } from '../support/protocol.js';

const protocols = createTestProtocols();
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-file-'));
  writeFileSync(join(folder, 'prices.json'), '{"tea": 3}');
  symlinkSync('/etc/passwd', join(folder, 'link.json'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("UTCP 1.1's file template", () => {
  it('loads and runs the example of its page, and reads the file anew for each call', async () => {
    const [tool] = readExampleTools('protocols/file.md');
    if (!tool) throw new Error('The page has a tool.');
    const call = protocols.prepare(tool.tool_call_template, { inputs: tool.inputs, base_dir: folder });
    expect(await callTool(call)).toEqual({ tea: 3 });
    writeFileSync(join(folder, 'prices.json'), '{"tea": 4}');
    expect(await callTool(call)).toEqual({ tea: 4 });
    expect(readExampleEntries('protocols/file.md').map((entry) => entry.name)).toEqual(['shop']);
  });

  it('takes the template as the official clients write it, and gives the content as a text', async () => {
    const template = {
      call_template_type: 'file',
      name: 'shop',
      file_path: 'prices.json',
      auth: null,
      auth_tools: null,
    };
    const call = protocols.prepare(template, { base_dir: folder });
    expect(await callTool(call)).toBe('{"tea": 4}');
  });

  it('holds every promise of text: a link that leads outside is refused', async () => {
    const template = { call_template_type: 'file', file_path: './{name}', allowed_paths: ['.'] };
    const call = protocols.prepare(template, { base_dir: folder, inputs: inputsOf('name') });
    expect((await failTool(call, { name: 'link.json' })).code).toBe('path_not_allowed');
    expect((await failTool(call, { name: '../../etc/passwd' })).code).toBe('path_not_allowed');
  });

  it('has no inline content', () => {
    expect(() => protocols.prepare({ call_template_type: 'file', content: 'x' })).toThrow(LoadError);
  });
});
