import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { allScopes, type Scope } from '../../src/access/scopes.ts';
import { startTestApp } from '../testkit/app.ts';
import type { Client } from '../testkit/client.ts';
import { type CommandInput, Commands } from '../testkit/commands.ts';
import { traced } from '../testkit/rows.ts';
import type { RuntimeCommandCase } from '../testkit/runtime-command-case.ts';
import { Seed } from '../testkit/seed.ts';
import { runtimeCommandCases } from './runtime-commands.ts';

const app = await startTestApp();
const seed = new Seed(app);
const commands = new Commands(app.app.schema);

/** The case of a command. It is a test's failure when there is none. */
function caseOf(name: string): RuntimeCommandCase {
  const found = runtimeCommandCases[name];
  if (found === undefined) throw new Error(`${name} is not in the table: add it to test/modules/runtime-commands.ts.`);
  return found;
}

const payloadOf = (name: string) => `${name.charAt(0).toUpperCase()}${name.slice(1)}Payload`;

/** Sends the command, which leaves nothing in the audit log and announces nothing. */
async function send(name: string, input: CommandInput, caller: Client = app.operator) {
  const events = () => app.app.database.prisma.outboxEvent.count();
  // What was rejected before is written by and by, each with an event.
  await app.app.rejections.flush();
  const before = await events();
  const { client, auditRows } = traced(app, caller);
  const answer = await commands.send(client, name, input);
  expect(await auditRows()).toEqual([]);
  expect(await events()).toBe(before);
  return answer;
}

// Time stands still, so what a caller may spend does not come back by itself.
beforeEach(() => app.clock.advance(60_000));

afterAll(() => {
  expect(app.logged).toEqual([]);
});

it('every command that takes no idempotency key is in the table, and nothing else', () => {
  expect(Object.keys(runtimeCommandCases).toSorted()).toEqual(commands.runtimeNames.toSorted());
});

describe.each(commands.runtimeNames)('%s', (name) => {
  it('has a case for every answer that it can give', () => {
    const { refused, refusedElsewhere = [] } = caseOf(name);
    const covered = [payloadOf(name), 'ValidationError', ...Object.keys(refused), ...refusedElsewhere];
    expect(covered.toSorted()).toEqual(commands.answersOf(name).toSorted());
  });

  it('is carried out, also a second time, and the audit log does not have it', async () => {
    const input = await caseOf(name).valid(seed);
    for (let time = 0; time < 2; time += 1) {
      const { data, errors } = await send(name, input);
      expect(errors).toBeUndefined();
      expect(data?.answer.__typename).toBe(payloadOf(name));
    }
  });

  it('is refused with each of its errors', async () => {
    for (const [type, makeInput] of Object.entries(caseOf(name).refused)) {
      const { data } = await send(name, await makeInput(seed));
      expect(data?.answer).toMatchObject({ __typename: type });
      expect(data?.answer.message).toMatch(/^\S.*\.$/);
    }
  });

  it('needs a credential: without one the request is 401', async () => {
    const { status, errors } = await commands.send(app.anonymous, name, await caseOf(name).valid(seed));
    expect(status).toBe(401);
    expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['UNAUTHENTICATED']);
  });

  it('needs its scope: with all others it is FORBIDDEN', async () => {
    const { scope, otherScopes = [], valid } = caseOf(name);
    const enough: readonly Scope[] = [scope, ...otherScopes];
    const client = app.withScopes(...[...allScopes].filter((held) => !enough.includes(held)));
    const { data, errors } = await send(name, await valid(seed), client);
    expect(data).toBeNull();
    expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['FORBIDDEN']);
  });
});
