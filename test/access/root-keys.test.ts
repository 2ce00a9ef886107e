import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { KeptFileError } from '../../src/access/kept-file.ts';
import { type RootKeyFile, readOrMakeRootKey, rootKeySource } from '../../src/access/root-keys.ts';
import { allScopes } from '../../src/access/scopes.ts';
import { hashSecret } from '../../src/access/secrets.ts';
import { readConfig } from '../../src/config.ts';
import { startTestApp } from '../testkit/app.ts';
import { Client } from '../testkit/client.ts';

const folder = await mkdtemp(join(tmpdir(), 'fairlead-root-key-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const newHome = (): string => join(folder, randomUUID());

const hashOf = (key: string): string => hashSecret(key).toString('hex');

const oldKey = 'the-old-key-that-has-been-in-use-for-years';
const newKey = 'the-new-key-that-takes-over-from-the-old-one';

describe('root admin keys', () => {
  const sourceOf = (environment: Record<string, string>) => rootKeySource(readConfig(environment).rootKeys.sha256);

  it.each([
    ['one key', { FAIRLEAD_ADMIN_KEY: oldKey }, [oldKey]],
    ['the hash of one key', { FAIRLEAD_ADMIN_KEY_HASH: hashOf(oldKey) }, [oldKey]],
    ['two keys', { FAIRLEAD_ADMIN_KEY: newKey, FAIRLEAD_SECOND_ADMIN_KEY: oldKey }, [newKey, oldKey]],
    [
      'the hashes of two keys',
      { FAIRLEAD_ADMIN_KEY_HASH: hashOf(newKey), FAIRLEAD_SECOND_ADMIN_KEY_HASH: hashOf(oldKey).toUpperCase() },
      [newKey, oldKey],
    ],
    [
      'a key and a hash',
      { FAIRLEAD_ADMIN_KEY_HASH: hashOf(newKey), FAIRLEAD_SECOND_ADMIN_KEY: oldKey },
      [newKey, oldKey],
    ],
    ['a second key alone', { FAIRLEAD_SECOND_ADMIN_KEY: oldKey }, [oldKey]],
  ])('are accepted, those and no others: %s', async (_name, environment, keys) => {
    const source = sourceOf(environment);
    for (const key of [oldKey, newKey]) {
      const principal = await source.find(key);
      expect(principal !== undefined).toBe(keys.includes(key));
    }
    for (const wrong of ['', hashOf(oldKey), `${oldKey} `, oldKey.slice(1), oldKey.toUpperCase()]) {
      expect(await source.find(wrong)).toBeUndefined();
    }
  });

  it('may do everything, and are told apart in the audit log without their secret', async () => {
    const source = sourceOf({ FAIRLEAD_ADMIN_KEY: newKey, FAIRLEAD_SECOND_ADMIN_KEY: oldKey });
    const [first, second] = [await source.find(newKey), await source.find(oldKey)];
    expect(first).toMatchObject({ kind: 'ROOT', scopes: allScopes, name: 'root admin key' });
    expect(second).toMatchObject({ kind: 'ROOT', scopes: allScopes, name: 'root admin key 2' });
    expect(first?.credentialId).not.toBe(second?.credentialId);
    expect(first).not.toHaveProperty('tenantId');
  });

  it('are sent as X-Admin-Key or as a bearer, and in no other header', async () => {
    const { app } = await startTestApp({
      environment: {
        FAIRLEAD_ADMIN_KEY_HASH: hashOf(newKey),
        FAIRLEAD_SECOND_ADMIN_KEY: oldKey,
      },
    });
    const status = async (headers: Record<string, string>) =>
      (await new Client(app.url, headers).send('{ __typename }')).status;
    for (const key of [oldKey, newKey]) {
      expect(await status({ 'x-admin-key': key })).toBe(200);
      expect(await status({ authorization: `bearer ${key}` })).toBe(200);
      expect(await status({ 'x-api-key': key })).toBe(401);
      expect(await status({ 'x-platform-key': key })).toBe(401);
      expect(await status({ 'x-engine-key': key })).toBe(401);
      expect(await status({ 'x-admin-key': `${key}x` })).toBe(401);
    }
  });
});

describe('the file of the root admin key', () => {
  it('is made at the first start, for its owner alone to read, and read at every other', async () => {
    const home = newHome();
    const made = await readOrMakeRootKey(home);
    expect(made).toEqual({
      path: join(home, 'admin-key'),
      key: expect.stringMatching(/^flr_\w{43}_\w{6}$/),
      created: true,
    });
    expect((await stat(made.path)).mode & 0o777).toBe(0o600);
    expect(await readFile(made.path, 'utf8')).toBe(`${made.key}\n`);
    expect(await readOrMakeRootKey(home)).toEqual({ ...made, created: false });
    expect(await readdir(home)).toEqual(['admin-key']);
  });

  it('is made once when several processes start at the same time, and all use the same key', async () => {
    const home = newHome();
    const module = fileURLToPath(new URL('../../src/access/root-keys.ts', import.meta.url));
    const program = `const { readOrMakeRootKey } = await import(${JSON.stringify(module)});
      const keys = await Promise.all(Array.from({ length: 8 }, () => readOrMakeRootKey(${JSON.stringify(home)})));
      console.log(JSON.stringify(keys));`;
    const run = promisify(execFile);
    const outputs = await Promise.all(
      Array.from({ length: 4 }, () => run(process.execPath, ['--input-type=module', '-e', program])),
    );
    const keys = outputs.flatMap(({ stdout }): RootKeyFile[] => JSON.parse(stdout));
    expect(keys).toHaveLength(32);
    expect(keys.filter(({ created }) => created)).toHaveLength(1);
    const kept = (await readFile(join(home, 'admin-key'), 'utf8')).trim();
    expect(new Set(keys.map(({ key }) => key))).toEqual(new Set([kept]));
    expect(await readdir(home)).toEqual(['admin-key']);
  });

  it.each([
    ['empty', ''],
    ['blank', ' \n\n'],
    ['cut short', 'flr_Abc'],
    ['several lines', `${oldKey}\n${newKey}\n`],
  ])('that holds no key is not used, and the error says what to do: %s', async (_name, content) => {
    const home = newHome();
    await mkdir(home);
    await writeFile(join(home, 'admin-key'), content);
    const reading = readOrMakeRootKey(home);
    await expect(reading).rejects.toBeInstanceOf(KeptFileError);
    await expect(reading).rejects.toThrow(
      `${join(home, 'admin-key')} does not hold an admin key. Delete the file to have a new key made, then start again.`,
    );
    expect(await readdir(home)).toEqual(['admin-key']);
  });

  it('may hold a key that an operator wrote', async () => {
    const home = newHome();
    await mkdir(home);
    await writeFile(join(home, 'admin-key'), `${oldKey}\r\n`);
    expect((await readOrMakeRootKey(home)).key).toBe(oldKey);
  });
});
