import { randomUUID } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { allScopes, type Scope } from '../../src/access/scopes.ts';
import { decodeAnyId } from '../../src/graph/ids.ts';
import { startTestApp } from '../testkit/app.ts';
import type { Client } from '../testkit/client.ts';
import type { CommandCase } from '../testkit/command-case.ts';
import { type CommandInput, Commands } from '../testkit/commands.ts';
import { peppers } from '../testkit/keys.ts';
import { storedRows, traced } from '../testkit/rows.ts';
import { Seed } from '../testkit/seed.ts';
import { commandCases } from './commands.ts';

const week = 7 * 24 * 60 * 60;
const app = await startTestApp({
  environment: { FAIRLEAD_PEPPERS: peppers(3), FAIRLEAD_KEY_ROTATION_MAX_OVERLAP_SECONDS: String(week) },
});
const { operator, anonymous, clock } = app;
const seed = new Seed(app);
const commands = new Commands(app.app.schema);

const dayMs = 24 * 60 * 60 * 1000;
const commonAnswers = ['ValidationError', 'IdempotencyKeyReusedError'];

/** The case of a command. It is a test's failure when there is none. */
function caseOf(name: string): CommandCase {
  const found = commandCases[name];
  if (found === undefined) throw new Error(`${name} is not in the table: add it to test/modules/commands.ts.`);
  return found;
}

/** How many rows the audit log has of the command when it was carried out. */
function rowsOf(name: string): number {
  const { audited, alsoAudited = [] } = caseOf(name);
  return audited === 'nothing' ? 0 : 1 + alsoAudited.length;
}

const newKey = () => ({ idempotencyKey: randomUUID() });
const payloadOf = (name: string) => `${name.charAt(0).toUpperCase()}${name.slice(1)}Payload`;

/** Sends the command under a request id of its own. */
async function attempt(name: string, input: CommandInput, caller: Client = operator) {
  const { client, auditRows } = traced(app, caller);
  const answer = await commands.run(client, name, input);
  return { answer, auditRows: await auditRows() };
}

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => clock.advance(60_000));

afterAll(() => {
  expect(app.logged).toEqual([]);
});

it('every command of the graph is in the table, and nothing else', () => {
  expect(Object.keys(commandCases).toSorted()).toEqual(commands.names.toSorted());
});

describe.each(commands.names)('%s', (name) => {
  it('has a case for every answer that it can give', () => {
    const { refused, refusedElsewhere = [], revisioned } = caseOf(name);
    const covered = [payloadOf(name), ...commonAnswers, ...Object.keys(refused), ...refusedElsewhere];
    if (revisioned) covered.push('StaleRevisionError');
    expect(covered.toSorted()).toEqual(commands.answersOf(name).toSorted());
  });

  it('is carried out, and the audit log tells what changed and nothing else', async () => {
    const { valid, audited, alsoAudited = [], called = 'name', leaves = null, targetOf, targetField } = caseOf(name);
    const input = await valid(seed);
    const { answer, auditRows } = await attempt(name, input);
    expect(answer.__typename).toBe(payloadOf(name));
    expect(auditRows).toHaveLength(rowsOf(name));
    if (audited === 'nothing') return;
    const target = targetOf === undefined ? undefined : decodeAnyId(String(targetOf(answer)));
    const aim = targetField === undefined ? undefined : decodeAnyId(String(input[targetField]));
    // What happens to a part of a row is on record with the row.
    if (audited !== 'deleted' && aim?.type === target?.type) expect(aim ?? target).toEqual(target);
    const [row, ...others] = auditRows;
    expect(others.map(({ targetType }) => targetType)).toEqual(alsoAudited);
    expect(row).toMatchObject({
      action: name,
      outcome: 'SUCCEEDED',
      errorCode: null,
      targetType: target?.type ?? null,
      targetId: targetOf === undefined ? null : targetOf(answer),
      actorKind: 'ROOT',
      actorName: 'root admin key',
    });
    const keys = (value: unknown) => (value === null ? null : Object.keys(Object(value)).toSorted());
    if (audited === 'made') {
      expect(row?.before).toBeNull();
      expect(row?.after).toMatchObject({ [called]: input[called], revision: 1 });
    } else if (audited === 'deleted') {
      expect(row?.before).toHaveProperty(called);
      expect(keys(row?.after)).toEqual(leaves);
    } else if ('together' in audited) {
      expect(row?.before).toBeNull();
      expect(keys(row?.after)).toEqual(audited.together);
    } else {
      const changed = 'settings' in audited ? audited.settings : [...audited, 'revision'].toSorted();
      expect(keys(row?.before)).toEqual(changed);
      expect(keys(row?.after)).toEqual(changed);
    }
  });

  it('needs a credential: without one the request is 401 and nothing is stored', async () => {
    const input = await caseOf(name).valid(seed);
    const before = await storedRows(app);
    const { status, data, errors } = await commands.send(anonymous, name, input);
    expect(status).toBe(401);
    expect(data).toBeUndefined();
    expect(errors).toEqual([
      expect.objectContaining({ extensions: expect.objectContaining({ code: 'UNAUTHENTICATED' }) }),
    ]);
    expect(await storedRows(app)).toBe(before);
  });

  it('needs its scope: with all others it is FORBIDDEN, nothing is stored, and the audit log has the attempt', async () => {
    const { scope, otherScopes = [], valid, targetField } = caseOf(name);
    const enough: readonly Scope[] = [scope, ...otherScopes];
    const input = await valid(seed);
    const before = await storedRows(app);
    const { client, auditRows } = traced(
      app,
      app.withScopes(...[...allScopes].filter((held) => !enough.includes(held))),
    );
    const { data, errors } = await commands.send(client, name, input);
    expect(data).toBeNull();
    expect(errors?.map(({ extensions, path }) => [extensions.code, path])).toEqual([['FORBIDDEN', ['answer']]]);
    expect(await storedRows(app)).toBe(before);
    expect(await auditRows()).toEqual([
      expect.objectContaining({
        action: name,
        outcome: 'DENIED',
        errorCode: 'FORBIDDEN',
        targetId: targetField === undefined ? null : input[targetField],
        before: null,
        after: null,
      }),
    ]);
  });

  it('is refused with each of its errors, nothing is stored, and the audit log has the code', async () => {
    for (const [type, makeInput] of Object.entries(caseOf(name).refused)) {
      const input = await makeInput(seed);
      const before = await storedRows(app);
      const { answer, auditRows } = await attempt(name, input);
      expect(answer).toMatchObject({ __typename: type, retryable: false, retryAfterMs: null });
      expect(answer.message).toMatch(/^\S.*\.$/);
      expect(await storedRows(app)).toBe(before);
      expect(auditRows).toEqual([
        expect.objectContaining({
          action: name,
          outcome: 'REFUSED',
          errorCode: answer.code,
          before: null,
          after: null,
        }),
      ]);
    }
  });

  it('gives the same answer again for the same idempotency key, and changes and records nothing more', async () => {
    const input = { ...(await caseOf(name).valid(seed)), ...newKey() };
    const first = await attempt(name, input);
    expect(first.answer.__typename).toBe(payloadOf(name));
    const before = await storedRows(app);
    const again = await attempt(name, input);
    expect(again.answer).toEqual(first.answer);
    expect(again.auditRows).toEqual([]);
    expect(await storedRows(app)).toBe(before);
  });

  it('takes the idempotency key from the header too', async () => {
    const { idempotencyKey, ...input } = { ...(await caseOf(name).valid(seed)), ...newKey() };
    const caller = operator.with({ 'idempotency-key': idempotencyKey });
    const first = await attempt(name, input, caller);
    expect(first.answer.__typename).toBe(payloadOf(name));
    const again = await attempt(name, input, caller);
    expect(again.answer).toEqual(first.answer);
    expect(again.auditRows).toEqual([]);
    const inInput = await attempt(name, { ...input, idempotencyKey });
    expect(inInput.answer).toEqual(first.answer);
  });

  it('refuses a known idempotency key with another input, until it is free again after 24 hours', async () => {
    const { valid } = caseOf(name);
    const key = newKey();
    await attempt(name, { ...(await valid(seed)), ...key });
    const other = { ...(await valid(seed)), ...key };
    clock.leap(dayMs - 1);
    const before = await storedRows(app);
    const { answer } = await attempt(name, other);
    expect(answer).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED', path: ['idempotencyKey'] });
    expect(await storedRows(app)).toBe(before);
    clock.advance(1);
    const later = await attempt(name, other);
    expect(later.answer.__typename).toBe(payloadOf(name));
    expect(later.auditRows).toHaveLength(rowsOf(name));
  });

  it('repeats a refusal under the same idempotency key, and records it once', async () => {
    for (const [type, makeInput] of Object.entries(caseOf(name).refused)) {
      const input = { ...(await makeInput(seed)), ...newKey() };
      const first = await attempt(name, input);
      expect(first.answer.__typename).toBe(type);
      expect(first.auditRows).toHaveLength(1);
      const again = await attempt(name, input);
      expect(again.answer).toEqual(first.answer);
      expect(again.auditRows).toEqual([]);
    }
  });

  it('is carried out once when two with the same idempotency key come at the same time', async () => {
    const input = { ...(await caseOf(name).valid(seed)), ...newKey() };
    const [one, other] = await Promise.all([attempt(name, input), attempt(name, input)]);
    expect(one.answer.__typename).toBe(payloadOf(name));
    expect(other.answer).toEqual(one.answer);
    expect([...one.auditRows, ...other.auditRows]).toHaveLength(rowsOf(name));
  });

  // A command without a case fails above, and has none of these tests.
  const { revisioned = false, changesNothing } = commandCases[name] ?? {};

  if (revisioned) {
    it('changes nothing at another revision than the expected one, and is carried out at that one', async () => {
      const input = await caseOf(name).valid(seed);
      const { currentRevision } = (await attempt(name, { ...input, expectedRevision: 1_000 })).answer;
      const before = await storedRows(app);
      const stale = await attempt(name, { ...input, expectedRevision: Number(currentRevision) + 1 });
      expect(stale.answer).toMatchObject({
        __typename: 'StaleRevisionError',
        code: 'STALE_REVISION',
        path: ['expectedRevision'],
        currentRevision,
      });
      expect(stale.auditRows).toEqual([expect.objectContaining({ outcome: 'REFUSED', errorCode: 'STALE_REVISION' })]);
      expect(await storedRows(app)).toBe(before);
      const current = await attempt(name, { ...input, expectedRevision: currentRevision });
      expect(current.answer.__typename).toBe(payloadOf(name));
    });
  }

  if (changesNothing !== undefined) {
    it('leaves the row, its revision and the audit log alone when it would change nothing', async () => {
      const input = await changesNothing(seed);
      const before = await storedRows(app);
      const { answer, auditRows } = await attempt(name, input);
      expect(answer.__typename).toBe(payloadOf(name));
      expect(auditRows).toEqual([]);
      expect(await storedRows(app)).toBe(before);
    });
  }
});

describe('idempotency keys', () => {
  it('belong to one command: another command with the same key is refused', async () => {
    const { id } = await seed.tenant();
    const input = { tenantId: id, ...newKey() };
    await attempt('suspendTenant', input);
    expect((await attempt('archiveTenant', input)).answer.code).toBe('IDEMPOTENCY_KEY_REUSED');
  });

  it('belong to one credential: another one can use the same text', async () => {
    const key = newKey();
    await attempt('createTenant', { name: seed.name(), ...key });
    const { answer } = await attempt(
      'createTenant',
      { name: seed.name(), ...key },
      app.withScopes('tenants:write', 'fairshare:read'),
    );
    expect(answer.__typename).toBe('CreateTenantPayload');
  });

  it('are not used up by an input that breaks a rule', async () => {
    const key = newKey();
    expect((await attempt('createTenant', { name: ' ', ...key })).answer.code).toBe('VALIDATION_FAILED');
    expect((await attempt('createTenant', { name: seed.name(), ...key })).answer.__typename).toBe(
      'CreateTenantPayload',
    );
  });

  it('give the first answer again after the reason for a refusal is gone', async () => {
    const taken = await seed.tenant();
    const input = { name: taken.name, ...newKey() };
    const first = await attempt('createTenant', input);
    await seed.run('deleteTenant', { tenantId: taken.id });
    expect((await attempt('createTenant', input)).answer).toEqual(first.answer);
  });

  it.each(['', ' ', 'with space', 'ümlaut', 'x'.repeat(256), 'line\nbreak'])('cannot be %j', async (idempotencyKey) => {
    const { answer } = await attempt('createTenant', { name: seed.name(), idempotencyKey });
    expect(answer).toMatchObject({
      code: 'VALIDATION_FAILED',
      issues: [{ rule: 'INVALID_IDEMPOTENCY_KEY', path: ['idempotencyKey'] }],
    });
  });
});
