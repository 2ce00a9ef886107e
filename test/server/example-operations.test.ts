import { expect, test } from 'vitest';
import { readExampleOperations } from '../../src/server/playground/operations.ts';
import { startTestApp } from '../testkit/app.ts';
import { follow } from '../testkit/follow.ts';

const operations = readExampleOperations();
const app = await startTestApp();

/** Every text in an answer, however deep. */
function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

/** Puts what was answered so far where a user pastes it: the latest text that begins like `key_…`, and is whole. */
function fill(variables: string, answered: readonly string[]): Record<string, unknown> {
  const filled = variables.replace(/"(\w+_)…"/g, (_, prefix: string) => {
    const found = answered.filter((text) => text.startsWith(prefix) && text.length > prefix.length + 20).at(-1);
    if (found === undefined) throw new Error(`No tab before this one answers with a ${prefix}…`);
    return JSON.stringify(found);
  });
  return JSON.parse(filled) as Record<string, unknown>;
}

const isSubscription = ({ text }: { readonly text: string }): boolean => /^subscription /m.test(text);

test('every tab of the playground does what it says, with what the tabs before it answered', async () => {
  const tail = operations.find(({ text }) => text.includes('subscription AuditTail'));
  const following = await follow(app.app, app.operator, { toString: () => tail?.text ?? '' }, {});
  const answered: string[] = [];
  for (const { file, text, variables = '{}' } of operations.filter((operation) => !isSubscription(operation))) {
    const { data, errors } = await app.operator.send<Record<string, unknown>, unknown>(text, fill(variables, answered));
    expect(errors, file).toBeUndefined();
    for (const [field, value] of Object.entries(data ?? {}))
      expect(value, `${file}: ${field}`).not.toHaveProperty('code');
    answered.push(...textsOf(data));
  }
  expect(await following.next()).toMatchObject({ auditTail: { action: 'createTenant' } });
  await following.stop();
});

const liveTabs = operations.filter(({ text }) => /\w+Live\b/.test(text));

test('there is a tab that follows each live snapshot', () => {
  expect(liveTabs.map(({ file }) => file)).toEqual(['15-fairshare-live.graphql', '16-stats-live.graphql']);
});

test.each(liveTabs)('$file shows the state of now at once', async ({ text }) => {
  const following = await follow<Record<string, object>, Record<string, never>>(
    app.app,
    app.operator,
    { toString: () => text },
    {},
  );
  const [snapshot] = Object.values(await following.next());
  expect(snapshot).toMatchObject({ asOf: expect.any(String), totals: { inFlight: 0, queued: 0 } });
  await following.stop();
});

test('the key that was created and rotated is accepted by VerifyKey, with both of its secrets in use', async () => {
  const texts = Object.fromEntries(operations.map(({ text }) => [/^(?:query|mutation) (\w+)/m.exec(text)?.[1], text]));
  const send = async (name: string, variables: object) => {
    const { data } = await app.operator.send<Record<string, unknown>, object>(texts[name] ?? '', variables);
    return data;
  };
  const input = { kind: 'GATEWAY', name: 'edge' };
  const created = await send('CreateKey', { input });
  const [first = '', keyId = ''] = textsOf(created).filter((text) => /^(?:fl_gateway|key)_.{20}/.test(text));
  const rotated = await send('RotateKey', { keyId });
  const [second = ''] = textsOf(rotated).filter((text) => /^fl_gateway_.{20}/.test(text));
  for (const [key, isSuperseded] of [
    [first, true],
    [second, false],
  ] as const) {
    expect(await send('VerifyKey', { key, scopes: ['keys:verify'] })).toMatchObject({
      verifyKey: { isValid: true, keyId, isSuperseded },
    });
  }
});
