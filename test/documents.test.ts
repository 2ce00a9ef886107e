import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { buildSchema, parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.ts';

const root = new URL('../', import.meta.url);
const read = (file: string) => readFileSync(new URL(file, root), 'utf8');
const schema = buildSchema(read('schema.graphql'));
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(new URL('docs/', root)).map((name) => `docs/${name}`),
].map((file) => ({ file, text: read(file) }));

const blocksOf = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^ *\`\`\`${language}\n(.*?)^ *\`\`\``, 'gms'))].map(([, block = '']) => block);

/** The address that a heading has on a page. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .trim()
    .replaceAll(' ', '-');
const anchorsOf = (text: string) => [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));

describe.each(documents)('$file', ({ file, text }) => {
  it('shows GraphQL that this version accepts', () => {
    for (const block of blocksOf(text, 'graphql')) {
      expect(
        validate(schema, parse(block)).map(({ message }) => message),
        block,
      ).toEqual([]);
    }
  });

  it('shows answers that are JSON', () => {
    for (const block of blocksOf(text, 'json')) expect(() => JSON.parse(block), block).not.toThrow();
  });

  it('links to files and headings that exist', () => {
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const [path = '', anchor] = target.split('#');
      const address = new URL(path, new URL(file, root));
      expect(existsSync(address), target).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(readFileSync(address, 'utf8')), target).toContain(anchor);
    }
  });

  it('shows prefixes that the program starts with', () => {
    for (const [, prefixes] of text.matchAll(/FAIRLEAD_KEY_PREFIXES=([\w=,-]+)/g)) {
      const config = readConfig({ NODE_ENV: 'test', FAIRLEAD_KEY_PREFIXES: prefixes });
      expect(config.keys.prefixes).not.toEqual(readConfig({ NODE_ENV: 'test' }).keys.prefixes);
    }
  });
});
